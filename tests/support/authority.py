"""Certificates of a root of our own, for servers on loopback."""

import datetime as dt
import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Authority = tuple[Path, Callable[[str], ssl.SSLContext]]


def authority(folder: Path, name: str) -> Authority:
    """A root of our own, and servers that show certificates of it for an address."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    by = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())

    def certificate(subject: x509.Name, public: Any, *extensions: Any) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(1))
            .not_valid_after(now + dt.timedelta(1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(by, critical=False)
        )
        for extension in extensions:
            made = made.add_extension(extension, critical=True)
        return made.sign(key, hashes.SHA256())

    use = x509.KeyUsage(True, False, False, False, False, True, True, False, False)  # noqa: FBT003
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    root = certificate(issuer, key.public_key(), constraints, use)
    file = folder / f"{name}.pem"
    file.write_bytes(root.public_bytes(serialization.Encoding.PEM))

    def server(address: str) -> ssl.SSLContext:
        own = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        shown = certificate(x509.Name([]), own.public_key(), names)
        pair = folder / f"{name}-{address}.pem"
        pair.write_bytes(
            own.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + shown.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        return context

    return file, server
