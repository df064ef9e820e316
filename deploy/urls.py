"""Every URL of Muster."""

from django.urls import include, path

urlpatterns = [
    path("", include("provisioning.boot.urls")),
]
