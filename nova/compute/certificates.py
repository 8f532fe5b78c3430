# SPDX-License-Identifier: Apache-2.0
"""The certificate authority of the site: a root, and certificates that it signs for users."""

import datetime
import os
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from oslo_concurrency import lockutils

from nova import concurrency, exception
from nova.conf import CONF

_KEY_BITS = 2048
_ROOT_DAYS = 3650
_LONGEST_NAME = 64


class CertificateAuthorityMissing(exception.NotFound):
    msg_fmt = 'There is no root certificate: nobody has asked for a certificate yet.'


def root():
    """The authority's certificate as PEM.  Raises CertificateAuthorityMissing."""
    try:
        return _path(CONF.ca_file).read_text()
    except FileNotFoundError as exc:
        raise CertificateAuthorityMissing() from exc


def issue(name, project_id):
    """(certificate, private key), both as PEM, of a new key that the authority signed.

    :param name: whose it is.  The authority is made if there is none.
    """
    # Making keys takes CPU time that no other request should wait for.
    return concurrency.native(_issue, name, project_id)


def _path(name):
    return pathlib.Path(CONF.ca_path) / name


def _authority():
    """(certificate, key) of the authority."""
    with lockutils.external_lock('ca', lock_path=_directory(pathlib.Path(CONF.ca_path))):
        if not _path(CONF.ca_file).exists():
            _make()
        certificate = x509.load_pem_x509_certificate(_path(CONF.ca_file).read_bytes())
        key = serialization.load_pem_private_key(_path(CONF.key_file).read_bytes(), None)
    return certificate, key


def _directory(path):
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return str(path)


def _make():
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    subject = _subject('nova root', None)
    certificate = (_builder(subject, subject, key, _ROOT_DAYS)
                   .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                   .sign(key, hashes.SHA256()))
    # The certificate last: where it is, there is its key.
    write_private(_path(CONF.key_file), pem_of_key(key))
    _path(CONF.ca_file).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def write_private(path, content):
    """Write a file that nobody else can read."""
    _directory(path.parent)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w', encoding='utf-8') as file:
        file.write(content)


def pem_of_key(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                             serialization.NoEncryption()).decode()


def _issue(name, project_id):
    authority, authority_key = _authority()
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    certificate = (_builder(_subject(name, project_id), authority.subject, key, CONF.certificate_days)
                   .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                   .sign(authority_key, hashes.SHA256()))
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), pem_of_key(key)


def _subject(name, project_id):
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, name[:_LONGEST_NAME])]
    if project_id:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, project_id[:_LONGEST_NAME]))
    return x509.Name(parts)


def _builder(subject, issuer, key, days):
    now = datetime.datetime.now(datetime.UTC)
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now)
            .not_valid_after(now + datetime.timedelta(days=days)))
