"""Certificates of the BMCs: one key for all, one certificate each, the same bytes for the same seed.

Everything is derived from the seed, so a pinned fingerprint still holds after the simulator was started again.
"""

import datetime
import os
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from provisioning.simulator import draw
from provisioning.simulator.plan import HostPlan

_FROM = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_UNTIL = datetime.datetime(2050, 1, 1, tzinfo=datetime.UTC)


class Certificates:
    """Makes TLS contexts. The authority signs by Ed25519, whose signatures hold no chance."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        secret = b"".join(draw.number(seed, "authority", part).to_bytes(8, "big") for part in range(4))
        self._authority = ed25519.Ed25519PrivateKey.from_private_bytes(secret)
        self._key = ec.derive_private_key(draw.number(seed, "server key") | 1 << 200, ec.SECP256R1())
        self._pem_key = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def pem(self, host: HostPlan) -> bytes:
        """The BMC's certificate."""
        subject = [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Dell Inc."),
            x509.NameAttribute(NameOID.COMMON_NAME, f"idrac-{host.tag}"),
        ]
        issuer = [x509.NameAttribute(NameOID.COMMON_NAME, "Simulated site authority")]
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(subject))
            .issuer_name(x509.Name(issuer))
            .public_key(self._key.public_key())
            .serial_number(draw.number(self._seed, host.name, "certificate") | 1)
            .not_valid_before(_FROM)
            .not_valid_after(_UNTIL)
        )
        return builder.sign(self._authority, None).public_bytes(serialization.Encoding.PEM)

    def context(self, host: HostPlan) -> ssl.SSLContext:
        """A server context with the BMC's certificate. Tickets are off: they cost a write per handshake."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        # The ssl module loads keys from files only; a memory file leaves none behind.
        memory = os.memfd_create("certificate")
        try:
            os.write(memory, self._pem_key + self.pem(host))
            context.load_cert_chain(f"/proc/self/fd/{memory}")
        finally:
            os.close(memory)
        return context
