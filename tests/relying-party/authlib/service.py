"""A relying party without pages, on Authlib: what a test asks it, it answers in JSON.

The same addresses as `../openid-client/service.mjs`.

ISSUER, CLIENT_ID, PORT
CLIENT_SECRET  for HTTP Basic; without it the service authenticates by `private_key_jwt`, with the key at /jwks
"""

import os
import secrets

from authlib.integrations.flask_client import OAuth
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from flask import Flask, jsonify, redirect, request, session
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

ISSUER, CLIENT_ID = os.environ["ISSUER"], os.environ["CLIENT_ID"]
CLIENT_SECRET = os.environ.get("CLIENT_SECRET")
PORT = int(os.environ["PORT"])
ORIGIN = f"http://127.0.0.1:{PORT}"
SCOPE = "openid profile affiliation establishment children birthdate"
TOLERANCE = 30

app = Flask(__name__)
app.secret_key = secrets.token_hex(32)
app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
oauth = OAuth(app)
key = ECKey.generate_key("P-256", {"kid": "own", "use": "sig", "alg": "ES256"})

own = {"client_secret": CLIENT_SECRET, "client_kwargs": {"token_endpoint_auth_method": "client_secret_basic"}}
if not CLIENT_SECRET:
    method = PrivateKeyJWT(f"{ISSUER}/token", headers={"kid": "own"}, alg="ES256")
    own = {
        "client_secret": key,
        "client_kwargs": {"token_endpoint_auth_method": "private_key_jwt"},
        "client_auth_methods": [method],
    }
own["client_kwargs"] |= {"scope": SCOPE, "code_challenge_method": "S256"}
provider = oauth.register(
    "provider", client_id=CLIENT_ID, server_metadata_url=f"{ISSUER}/.well-known/openid-configuration", **own
)

# Tokens by the value in this service's cookie. What signs the cookie is Flask's matter.
signed_in = {}


def told(token):
    """What the test wants to know of a token response."""
    claims = provider.parse_id_token(token, nonce=token.get("nonce"), leeway=TOLERANCE) if "id_token" in token else None
    return {
        "id_token": token.get("id_token"),
        "header": header(token["id_token"]) if "id_token" in token else None,
        "claims": claims,
        "access_token": token["access_token"],
        "refresh_token": token.get("refresh_token"),
        "token_type": token["token_type"],
        "userinfo": provider.userinfo(token=token),
    }


def header(token):
    from joserfc.jws import extract_compact

    return extract_compact(token.encode()).headers()


def keys():
    """The keys as published now."""
    return KeySet.import_key_set(provider.fetch_jwk_set(force=True))


@app.get("/jwks")
def jwks():
    return jsonify(keys=[key.as_dict(private=False)])


@app.get("/login")
def login():
    return provider.authorize_redirect(f"{ORIGIN}/callback", **request.args.to_dict())


@app.get("/callback")
def callback():
    # Signature, issuer, audience, nonce, times, at_hash: the library's own checks.
    token = provider.authorize_access_token(leeway=TOLERANCE)
    claims = dict(token["userinfo"])
    me = secrets.token_urlsafe()
    signed_in[me] = {"token": token, "sid": claims["sid"]}
    session["me"] = me
    return jsonify(
        {
            "id_token": token["id_token"],
            "header": header(token["id_token"]),
            "claims": claims,
            "access_token": token["access_token"],
            "refresh_token": token.get("refresh_token"),
            "token_type": token["token_type"],
            "userinfo": provider.userinfo(token=token),
        }
    )


@app.get("/me")
def me():
    known = signed_in.get(session.get("me"))
    if not known:
        return jsonify(session="none"), 401
    return jsonify(provider.userinfo(token=known["token"]))


@app.get("/refresh")
def refresh():
    known = signed_in[session["me"]]
    token = provider.fetch_access_token(grant_type="refresh_token", refresh_token=known["token"]["refresh_token"])
    known["token"] = token
    return jsonify(told(token))


@app.get("/verify")
def verify():
    token = jwt.decode(request.args["token"], keys(), algorithms=["ES256"])
    checks = jwt.JWTClaimsRegistry(
        leeway=TOLERANCE, iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": CLIENT_ID}
    )
    checks.validate(token.claims)
    return jsonify(kid=token.header["kid"])


@app.get("/logout")
def logout():
    known = signed_in.pop(session.pop("me"))
    out = provider.load_server_metadata()["end_session_endpoint"]
    from authlib.common.urls import add_params_to_uri

    parameters = {
        "id_token_hint": known["token"]["id_token"],
        "post_logout_redirect_uri": f"{ORIGIN}/signed-out",
        "state": "bye",
    }
    return redirect(add_params_to_uri(out, parameters.items()), 303)


@app.get("/signed-out")
def signed_out():
    return jsonify(signed_out=True, state=request.args.get("state"))


@app.post("/backchannel")
def backchannel():
    """OpenID Connect Back-Channel Logout 1.0, §2.6."""
    token = jwt.decode(request.form["logout_token"], keys(), algorithms=["ES256"])
    essential = {name: {"essential": True} for name in ("iat", "exp", "jti", "events", "sid")}
    checks = jwt.JWTClaimsRegistry(
        leeway=TOLERANCE,
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": CLIENT_ID},
        **essential,
    )
    checks.validate(token.claims)
    event = "http://schemas.openid.net/event/backchannel-logout"
    if token.header.get("typ") != "logout+jwt" or event not in token.claims["events"] or "nonce" in token.claims:
        return jsonify(error="invalid_request"), 400
    for me in [me for me, known in signed_in.items() if known["sid"] == token.claims["sid"]]:
        del signed_in[me]
    return jsonify({})


@app.get("/healthz")
def healthz():
    return jsonify({})


@app.errorhandler(Exception)
def failed(error):
    return jsonify(error=getattr(error, "error", type(error).__name__), message=str(error)), 500


if __name__ == "__main__":
    app.run("127.0.0.1", PORT, threaded=True)
