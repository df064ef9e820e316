"""Grants, API tokens, encrypted secrets, idempotency keys."""

from django.conf import settings
from django.db import models

from fleet.models.places import Site, one_of

GRANTABLE = ["viewer", "technician", "operator", "liaison", "scheduler", "admin"]


class Token(models.Model):
    """A bearer token for programs. Only its sha256 is kept.

    owner: the person on whose behalf it acts; the two count as one where two persons are needed.
    """

    name = models.TextField(unique=True)
    digest = models.TextField(unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="tokens")
    made_by = models.ForeignKey("fleet.Actor", models.PROTECT, null=True, related_name="+", db_index=False)
    revoked_by = models.ForeignKey("fleet.Actor", models.PROTECT, null=True, related_name="+", db_index=False)

    def __str__(self) -> str:
        return self.name


class Grant(models.Model):
    """A user or a token has a role, at one site or (site empty) at all."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="grants")
    token = models.ForeignKey(Token, models.PROTECT, null=True, related_name="grants")
    role = models.TextField()
    site = models.ForeignKey(Site, models.PROTECT, null=True)

    class Meta:
        constraints = [
            one_of("role", GRANTABLE, "grant_role"),
            models.CheckConstraint(
                condition=models.Q(user__isnull=False, token__isnull=True)
                | models.Q(user__isnull=True, token__isnull=False),
                name="grant_of_one",
            ),
            models.UniqueConstraint(fields=["user", "token", "role", "site"], name="grant_once", nulls_distinct=False),
        ]

    def __str__(self) -> str:
        return self.role


class Secret(models.Model):
    """An encrypted value; see fleet.secrets. Never logged, never in a page."""

    name = models.TextField(unique=True)
    key_id = models.TextField()
    ciphertext = models.BinaryField()
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name


class IdempotencyKey(models.Model):
    """The stored answer of a POST, written in the transaction of its effect, kept 7 days.

    sealed: an answer that holds a secret, encrypted; then answer is empty.
    """

    actor = models.ForeignKey("fleet.Actor", models.PROTECT)
    key = models.CharField(max_length=64)
    request_sha256 = models.TextField()
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.JSONField(null=True)
    sealed = models.BinaryField(null=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["actor", "key"], name="idempotency_once")]
        indexes = [models.Index(fields=["at"], name="idempotency_at")]

    def __str__(self) -> str:
        return self.key
