"""The token endpoints: exchange of a refresh token, introspection, revocation (vendors 2.1)."""

from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from plumbline_simulators.hubspot.answers import Api, json_answer
from plumbline_simulators.hubspot.errors import not_found

SCOPES = [
    "crm.objects.companies.read", "crm.objects.companies.write", "crm.objects.contacts.read",
    "crm.objects.owners.read", "crm.schemas.companies.read", "crm.schemas.companies.write", "oauth",
]  # fmt: skip


class OAuth(Api):
    """Handlers of `/oauth/{version}`; none of them needs a bearer token."""

    async def token(self, request: Request) -> Response:
        """Exchange a refresh token. The app's secret is its client secret."""
        form = {**request.query_params, **await _form(request)}
        if form.get("grant_type") != "refresh_token":
            return _refused("unsupported_grant_type", "only refresh_token is simulated")
        if not form.get("client_id"):
            return _refused("invalid_request", "missing client_id")
        if form.get("client_secret") != self.state.webhooks.settings.client_secret:
            return _refused("invalid_client", "missing or invalid client secret")
        refresh = str(form.get("refresh_token", ""))
        token = self.state.tokens.exchange(refresh)
        if token is None:
            return _refused("invalid_grant", "missing or invalid refresh token")
        return json_answer(
            {
                "access_token": token,
                "refresh_token": refresh,
                "token_type": "bearer",
                "expires_in": int(self.state.tokens.lifetime_seconds),
            }
        )

    async def introspect(self, request: Request) -> Response:
        """What a token is good for; `active` is False for an unknown or expired one."""
        token = str((await _form(request)).get("token", ""))
        if token in self.state.tokens.refresh:
            return json_answer({"active": True, "token_use": "refresh_token", **self._account()})
        if self.state.tokens.seconds_left(token) <= 0:
            return json_answer({"active": False})
        return json_answer({"active": True, "token_use": "access_token", **self._access(token)})

    async def access_token(self, request: Request) -> Response:
        """The older way to look at an access token."""
        token = request.path_params["token"]
        if self.state.tokens.seconds_left(token) <= 0:
            raise not_found("access token")
        return json_answer({"token": token, "user_id": 5, "user": "ada@acme.example",
                            **self._access(token)})  # fmt: skip

    async def revoke(self, request: Request) -> Response:
        """Revoke a token."""
        self.state.tokens.revoke(str((await _form(request)).get("token", "")))
        return Response(status_code=204)

    def _access(self, token: str) -> dict[str, Any]:
        left = int(self.state.tokens.seconds_left(token))
        return {"expires_in": left, "token_type": "access", **self._account()}

    def _account(self) -> dict[str, Any]:
        return {"hub_id": self.state.portal_id, "app_id": self.state.app_id, "scopes": SCOPES}


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace")))


def _refused(error: str, description: str) -> Response:
    statuses = {"invalid_grant": "BAD_REFRESH_TOKEN", "invalid_client": "BAD_CLIENT_SECRET"}
    body = {
        "error": error, "error_description": description, "message": description,
        "status": statuses.get(error, "BAD_REQUEST"),
    }  # fmt: skip
    return json_answer(body, 400)
