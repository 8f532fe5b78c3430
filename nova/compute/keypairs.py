# SPDX-License-Identifier: Apache-2.0
"""Key pairs: generated or imported, SSH keys or X.509 certificates."""

import base64
import binascii
import datetime
import hashlib
import struct

from cryptography import exceptions as crypto_exceptions
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nova import concurrency, exception, objects
from nova.notifications import tell

_KEY_BITS = 2048
_CERTIFICATE_DAYS = 3650


def create(context, user_id, name, public_key, key_type):
    """(key pair as stored, its private key or None).

    Raises InvalidKeypair, KeyPairExists, KeypairLimitExceeded.
    """
    private_key = None
    if public_key is None:
        # Making keys takes CPU time that no other request should wait for.
        public_key, private_key = concurrency.native(GENERATORS[key_type], name)
    fingerprint = FINGERPRINTS[key_type](public_key)
    pair = objects.KeyPair(context, name=name, user_id=user_id, type=key_type, public_key=public_key,
                           fingerprint=fingerprint)
    limit = objects.Quotas.limits(context, context.project_id, user_id)['key_pairs']
    with tell.key_pair(context, 'create' if private_key else 'import', pair):
        pair.create(limit)
    return pair, private_key


def delete(context, user_id, name):
    """Forget a key pair; servers that have it keep it.  Raises KeypairNotFound."""
    if not tell.is_enabled():
        objects.KeyPair.destroy_by_name(context, user_id, name)
        return
    with tell.key_pair(context, 'delete', objects.KeyPair.get_by_name(context, user_id, name)):
        objects.KeyPair.destroy_by_name(context, user_id, name)


def generate_ssh(name):
    """(public key in OpenSSH form, private key as PEM)"""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                                serialization.NoEncryption()).decode()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    return f'{public} Generated-by-Nova', private


def generate_x509(name):
    """(certificate as PEM, private key as PEM): self-signed, for client authentication."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now)
                   .not_valid_after(now + datetime.timedelta(days=_CERTIFICATE_DAYS))
                   .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
                   .sign(key, hashes.SHA256()))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption()).decode()
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private


def ssh_fingerprint(public_key):
    """MD5 of the key's bytes, as pairs with colons.  Raises InvalidKeypair."""
    parts = public_key.split(None, 2)
    if len(parts) < 2:
        raise exception.InvalidKeypair(reason='public_key: must be "<type> <base64> [comment]"')
    try:
        data = base64.b64decode(parts[1], validate=True)
        (length,) = struct.unpack('>I', data[:4])
        name = data[4:4 + length].decode()
    except (binascii.Error, struct.error, UnicodeDecodeError, ValueError) as exc:
        raise exception.InvalidKeypair(reason=f'public_key: the key is not what OpenSSH writes ({exc})') from exc
    if name != parts[0]:
        raise exception.InvalidKeypair(reason=f'public_key: says {parts[0]}, but holds a key of type {name or "none"}')
    try:
        serialization.load_ssh_public_key(f'{parts[0]} {parts[1]}'.encode())
    except crypto_exceptions.UnsupportedAlgorithm:
        pass    # a kind that this library does not know (security keys); the guest may
    except ValueError as exc:
        raise exception.InvalidKeypair(reason=f'public_key: {exc}') from exc
    return _colons(hashlib.md5(data, usedforsecurity=False).hexdigest())


def x509_fingerprint(certificate):
    """SHA-1 of the certificate, as pairs with colons.  Raises InvalidKeypair."""
    try:
        found = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError as exc:
        raise exception.InvalidKeypair(reason=f'public_key: is no X.509 certificate in PEM form: {exc}') from exc
    return _colons(found.fingerprint(hashes.SHA1()).hex())    # noqa: S303  what the API shows


def _colons(digits):
    return ':'.join(digits[i:i + 2] for i in range(0, len(digits), 2))


GENERATORS = {'ssh': generate_ssh, 'x509': generate_x509}
FINGERPRINTS = {'ssh': ssh_fingerprint, 'x509': x509_fingerprint}


def columns_of(key_pair):
    """What a server keeps of its key pair (None: it has none)."""
    if key_pair is None:
        return {'key_name': None, 'key_data': None, 'keypairs': []}
    return {'key_name': key_pair.name, 'key_data': key_pair.public_key,
            'keypairs': [{'name': key_pair.name, 'type': key_pair.type, 'public_key': key_pair.public_key,
                          'fingerprint': key_pair.fingerprint}]}


def columns(context, user_id, name):
    """The same for the name of a user's key pair, or None.  Raises KeypairNotFound."""
    return columns_of(objects.KeyPair.get_by_name(context, user_id, name) if name else None)
