"""Certificates for a test: an authority of its own, and servers that it vouches for, made by the openssl program."""
import subprocess

DAYS = "2"


def _openssl(*words):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                    DAYS, *map(str, words)], check=True, capture_output=True)


class Authority:
    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.certificate, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        _openssl("-subj", f"/CN={name}", "-keyout", self.key, "-out", self.certificate)

    def server(self, name, alternative):
        """(certificate, key, CA) of a server with this alternative name, "IP:127.0.0.1" or "DNS:host"."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        _openssl("-CA", self.certificate, "-CAkey", self.key, "-subj", f"/CN={name}", "-addext",
                 f"subjectAltName={alternative}", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out",
                 certificate)
        return certificate, key, self.certificate
