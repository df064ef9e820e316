#!/usr/bin/env python
"""Django's command line, with Muster's settings."""

import os
import sys

from django.core.management import execute_from_command_line

from deploy import env

if __name__ == "__main__":
    env.use_running_demo()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")
    execute_from_command_line(sys.argv)
