"""Every URL of Muster."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from fleet.api import evidence, findings, holds, inventory, plans
from fleet.api import hosts as host_list
from fleet.http.api import Api
from fleet.pages import lists
from provisioning.api import acts, events, summary, transitions
from provisioning.api import campaigns as campaigns_api
from provisioning.api import hosts as hosts_api
from provisioning.api import operations as operations_api
from provisioning.pages import campaigns, host, now, operations

api = Api()
FLEET_API = (host_list, inventory, holds, findings, evidence, plans)
PROVISIONING_API = (hosts_api, operations_api, campaigns_api, transitions, acts, summary, events)
for module in (*FLEET_API, *PROVISIONING_API):
    api.add_router("", module.router)

sign_in = LoginView.as_view(template_name="sign_in.html", redirect_authenticated_user=True)

urlpatterns = [
    path("", now.now, name="now"),
    path("sign-in/", sign_in, name="sign_in"),
    path("sign-out/", LogoutView.as_view(), name="sign_out"),
    path("hosts/", lists.hosts, name="hosts"),
    path("hosts/<str:name>/", host.host, name="host"),
    path("hosts/<str:name>/operate/", host.operate, name="host_operate"),
    path("hosts/<str:name>/move/", host.move, name="host_move"),
    path("hosts/<str:name>/acts/<int:number>/confirm/", host.confirm, name="host_confirm"),
    path("hosts/<str:name>/hold/", host.hold, name="host_hold"),
    path("hosts/<str:name>/holds/<int:hold_id>/lift/", host.lift, name="host_lift"),
    *(
        path(f"hosts/<str:name>/findings/<int:id>/{verb}/", host.finding, {"verb": verb}, name=f"finding_{verb}")
        for verb in host.HANDLE
    ),
    path("operations/<int:id>/", operations.operation, name="operation"),
    path("operations/<int:id>/cancel/", operations.cancel, name="operation_cancel"),
    path("operations/<int:id>/retry/", operations.retry, name="operation_retry"),
    path("operations/<int:id>/skip/", operations.skip, name="operation_skip"),
    path("operations/<int:id>/found/", operations.found, name="operation_found"),
    path("campaigns/", campaigns.campaigns, name="campaigns"),
    path("campaigns/start/", campaigns.start, name="campaign_start"),
    path("campaigns/<int:id>/", campaigns.campaign, name="campaign"),
    *(
        path(f"campaigns/<int:id>/{verb}/", campaigns.move, {"verb": verb}, name=f"campaign_{verb}")
        for verb in campaigns.MOVES
    ),
    path("api/v1/", api.urls),
    path("", include("provisioning.boot.urls")),
]

handler400 = "fleet.http.handlers.bad_request"
handler403 = "fleet.http.handlers.no_permission"
handler404 = "fleet.http.handlers.not_found"
handler500 = "fleet.http.handlers.failed"
