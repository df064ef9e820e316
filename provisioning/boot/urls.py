"""Addresses of the boot service."""

from django.urls import path

from provisioning.boot import agent, phone_home, script, seed

urlpatterns = [
    path("boot/time", script.time),
    path("boot/script", script.script),
    path("boot/u/<str:token>/ipxe.efi", script.loader),
    path("boot/u/<str:token>/autoexec.ipxe", script.token_script),
    path("boot/files/<str:name>", script.boot_file),
    path("boot/claim", agent.claim),
    path("boot/orders", agent.orders),
    path("boot/event", agent.event),
    path("boot/log", agent.log),
    path("boot/image/<str:sha256>", agent.image),
    path("boot/seed/<str:token>/<str:name>", seed.seed),
    path("boot/phone-home", phone_home.phone_home),
]
