"""The table of docs/stores.md says of each store what its runs of the conformance suite said."""
import importlib.util
from pathlib import Path

SPEC = importlib.util.spec_from_file_location("stores", Path(__file__).resolve().parents[2] / "tools/stores.py")
stores = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(stores)

SENTENCES = {"Holds": "it holds", "New": "it is new"}


def report(**changed):
    """Google Test's, of a suite of one test that every instance passes; `changed`: by instance, what is otherwise."""
    suites = {}
    for name in (name for names in stores.COLUMNS.values() for name in names):
        instance, case = name.split("/")
        one = {"name": f"Holds/{case}", "result": "COMPLETED", "promise": "it holds", **changed.get(case, {})}
        suites.setdefault(f"{instance}/StoreConformance", []).append(one)
    return {"testsuites": [{"name": name, "testsuite": tests} for name, tests in suites.items()]
                          + [{"name": "Other", "testsuite": [{"name": "Holds", "result": "COMPLETED"}]}]}


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_what_passed_everywhere_is_yes_and_what_did_not_run_is_said():
    head, rule, holds, new = stores.table(SENTENCES, report())
    assert holds.startswith("| it holds (`Holds`) | ") and cells(holds) == ["yes"] * len(stores.COLUMNS)
    assert cells(new) == ["not run"] * len(stores.COLUMNS)
    assert len(cells(head)) == len(cells(rule)) == len(stores.COLUMNS)


# A store is as good as the worst of its instances.
def test_one_failure_of_any_instance_is_a_no():
    for column, names in enumerate(stores.COLUMNS.values()):
        for name in names:
            failed = {name.split("/")[1]: {"failures": [{"failure": "x"}]}}
            shown = cells(stores.table(SENTENCES, report(**failed))[2])
            assert shown == ["**no**" if at == column else "yes" for at in range(len(shown))], name
            skipped = {name.split("/")[1]: {"result": "SKIPPED"}}
            shown = cells(stores.table(SENTENCES, report(**skipped))[2])
            assert shown == ["not run" if at == column else "yes" for at in range(len(shown))], name


def test_a_difference_is_said_and_of_which_instance():
    told = {"differs_order": "in no order"}
    shown = cells(stores.table(SENTENCES, report(unordered=told, synced=told, unsynced=told))[2])
    assert shown[0] == "yes; in no order (unordered)" and shown[2] == "yes; in no order"


def test_the_page_fits_the_suite():
    assert stores.problems() == []
