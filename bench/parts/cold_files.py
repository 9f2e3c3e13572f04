"""Small files of vectors and numbers, read without any library."""
import array


def rows_of(path, kind, most):
    """The first rows of an .fvecs ("f") or .ivecs ("i") file, as arrays."""
    out = []
    with open(path, "rb") as file:
        while len(out) < most and (head := file.read(4)):
            row = array.array(kind)
            row.frombytes(file.read(4 * int.from_bytes(head, "little")))
            out.append(row)
    return out


def write_vector(path, row):
    path.write_bytes(len(row).to_bytes(4, "little") + row.tobytes())
    return path


def recall(found, truth):
    """Of the k nearest of each question, how many were found. Both: lists of row numbers a question."""
    k = len(found[0])
    return sum(len(set(one) & set(nearest[:k])) for one, nearest in zip(found, truth)) / (k * len(found))
