"""Keys and certificates of the lab's switch: an authority, a server certificate, a signing key."""

import datetime as dt
import ipaddress
import os
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NAME: Final = "switch.lab"
"""A host name the certificate bears beside localhost and 127.0.0.1."""
LIFE: Final = dt.timedelta(days=825)
RENEWED_BEFORE: Final = dt.timedelta(days=30)
_USE: Final = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def certificates(folder: Path, today: dt.datetime) -> tuple[Path, Path]:
    """The authority's certificate, and the server's with its key; made once, renewed near the end.

    `today` is the real day: the other side checks it with the real clock, whatever the lab's says.
    """
    ca, server = folder / "ca.pem", folder / "server.pem"
    if not (ca.exists() and server.exists() and _lasts(server, today)):
        _make(ca, server, today)
    return ca, server


def signing_key(file: Path) -> rsa.RSAPrivateKey:
    """The key the switch signs its answers with, made once."""
    if not file.exists():
        write_secret(file, private_pem(rsa.generate_private_key(65537, 2048)))
    # We wrote it: proving its primes again takes longer than all else of a start.
    key = serialization.load_pem_private_key(
        file.read_bytes(), None, unsafe_skip_rsa_key_validation=True
    )
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def private_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """Unencrypted, for a folder of one's own."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    """What the other side gets."""
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def write_secret(file: Path, content: bytes) -> None:
    """A file only its owner reads, whole or not at all."""
    part = file.with_name(f"{file.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)
    part.replace(file)


def _lasts(server: Path, today: dt.datetime) -> bool:
    shown = x509.load_pem_x509_certificate(server.read_bytes())
    return shown.not_valid_after_utc - RENEWED_BEFORE > today


def _make(ca: Path, server: Path, today: dt.datetime) -> None:
    root, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Payvand lab switch CA")])

    def certificate(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        by = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key())
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - dt.timedelta(days=1))
            .not_valid_after(today + LIFE)
            .add_extension(identifier, critical=False)
            .add_extension(by, critical=False)
        )

    authority = (
        certificate(issuer, root)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_USE, critical=True)
        .sign(root, hashes.SHA256())
    )
    names = [x509.DNSName("localhost"), x509.DNSName(NAME)]
    addresses = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    use = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    shown = (
        certificate(x509.Name([]), own)
        .add_extension(x509.SubjectAlternativeName([*names, *addresses]), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(use, critical=False)
        .sign(root, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    write_secret(server, shown.public_bytes(pem) + private_pem(own))
    ca.write_bytes(authority.public_bytes(pem))
