"""django-oauth-toolkit as an authorization server on loopback: `python django_peer.py SECRET CALLBACK`.

Prints one line of JSON with its URL once it listens, and ends when its standard input does.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path


def login(request: HttpRequest) -> HttpResponse:
    return HttpResponse("log in")


urlpatterns: list[URLPattern | URLResolver] = []
"""Filled once Django is configured: the library's URLs can't be imported before."""


def configure(directory: Path) -> None:
    settings.configure(
        SECRET_KEY="only-for-this-run-on-loopback",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        LOGIN_URL="/login/",
        INSTALLED_APPS=[
            *("django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"),
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        MIGRATION_MODULES=dict.fromkeys(("auth", "contenttypes", "sessions", "oauth2_provider")),
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": directory / "peer.sqlite3"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        OAUTH2_PROVIDER={"PKCE_REQUIRED": True, "SCOPES": {"openid": "who you are"}},
    )
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)


def register(secret: str, callback: str) -> None:
    from oauth2_provider.models import get_application_model

    model = get_application_model()
    model.objects.create(
        client_id="app-1",
        client_secret=secret,
        redirect_uris=callback,
        client_type=model.CLIENT_CONFIDENTIAL,
        authorization_grant_type=model.GRANT_AUTHORIZATION_CODE,
        name="app",
    )


class Silent(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        configure(Path(directory))
        urlpatterns.extend([path("", include("oauth2_provider.urls")), path("login/", login)])
        register(*sys.argv[1:3])
        server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Silent)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}), flush=True)
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main()
