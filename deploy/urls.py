"""Every URL of Muster."""

from django.urls import include, path

from fleet.api import hosts as host_list
from fleet.http.api import Api
from provisioning.api import campaigns, operations, summary

api = Api()
for module in (host_list, operations, campaigns, summary):
    api.add_router("", module.router)

urlpatterns = [
    path("api/v1/", api.urls),
    path("", include("provisioning.boot.urls")),
]

handler400 = "fleet.http.handlers.bad_request"
handler403 = "fleet.http.handlers.no_permission"
handler404 = "fleet.http.handlers.not_found"
handler500 = "fleet.http.handlers.failed"
