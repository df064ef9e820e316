"""Every URL of Muster."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

import fleet.api
import provisioning.api
from fleet.http.api import Api
from fleet.pages import api_docs, audit, me, notices, plans, racks, things
from provisioning.pages import act, campaigns, host, hosts, now, operations, policy, search

api = Api()
for router in (*fleet.api.ROUTERS, *provisioning.api.ROUTERS):
    api.add_router("", router)

sign_in = LoginView.as_view(template_name="sign_in.html", redirect_authenticated_user=True)

urlpatterns = [
    path("", now.now, name="now"),
    path("sign-in/", sign_in, name="sign_in"),
    path("sign-out/", LogoutView.as_view(), name="sign_out"),
    path("fleet/", racks.racks, name="racks"),
    path("search/", search.search, name="search"),
    path("s/<path:code>", search.scanned, name="scanned"),
    path("cables/<path:label>/", things.cable, name="cable"),
    path("parts/<path:serial>/", things.part, name="part"),
    path("switches/<str:name>/", things.switch, name="switch"),
    path("audit/", audit.audit, name="audit"),
    path("audit/export/", audit.export, name="audit_export"),
    path("audit/verify/", audit.verify, name="audit_verify"),
    path("plan/", plans.plan, name="plan"),
    path("policy/", policy.policy, name="policy"),
    path("policy/notices/", notices.notices, name="notices"),
    path("policy/notices/save/", notices.save, name="notices_save"),
    path("policy/notices/<int:id>/test/", notices.test, name="notices_test"),
    path("policy/notices/<int:id>/delete/", notices.delete, name="notices_delete"),
    path("me/", me.me, name="me"),
    path("help/", me.help, name="help"),
    path("hosts/", hosts.hosts, name="hosts"),
    path("hosts.csv", hosts.as_csv, name="hosts_csv"),
    path("act/", act.new, name="act_new"),
    path("act/<str:code>/", act.act, name="act"),
    path("act/<str:code>/do/", act.do, name="act_do"),
    path("act/<str:code>/confirm/", act.confirm, name="act_confirm"),
    path("act/<str:code>/undo/", act.undo, name="act_undo"),
    path("hosts/<str:name>/", host.host, name="host"),
    path("hosts/<str:name>/hold/", host.hold, name="host_hold"),
    path("hosts/<str:name>/holds/<int:hold_id>/lift/", host.lift, name="host_lift"),
    *(
        path(f"hosts/<str:name>/findings/<int:id>/{verb}/", host.finding, {"verb": verb}, name=f"finding_{verb}")
        for verb in host.HANDLE
    ),
    path("operations/<int:id>/", operations.operation, name="operation"),
    path("operations/<int:id>/log/", operations.log, name="operation_log"),
    path("operations/<int:id>/cancel/", operations.cancel, name="operation_cancel"),
    path("operations/<int:id>/retry/", operations.retry, name="operation_retry"),
    path("operations/<int:id>/skip/", operations.skip, name="operation_skip"),
    path("operations/<int:id>/found/", operations.found, name="operation_found"),
    path("campaigns/", campaigns.campaigns, name="campaigns"),
    path("campaigns/<int:id>/", campaigns.campaign, name="campaign"),
    *(
        path(f"campaigns/<int:id>/{verb}/", campaigns.move, {"verb": verb}, name=f"campaign_{verb}")
        for verb in campaigns.MOVES
    ),
    path("api/docs/", api_docs.api_docs, name="api_docs"),
    path("api/v1/", api.urls),
    path("", include("provisioning.boot.urls")),
]

handler400 = "fleet.http.handlers.bad_request"
handler403 = "fleet.http.handlers.no_permission"
handler404 = "fleet.http.handlers.not_found"
handler500 = "fleet.http.handlers.failed"
