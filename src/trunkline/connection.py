"""The connection: what a program needs to reach a running server, and the file that tells it."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from trunkline.catalogue.azure.ids import resource_id
from trunkline.errors import NotFoundError, UnavailableError

if TYPE_CHECKING:
    # only named here: `trunkline connection` starts in a blink because it does not load the services
    from trunkline.services.resources import Resource

FILE = "connection.json"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server is reached: addresses without a slash at the end, and the absolute paths of its roots.

    `https` is what clients use: the setting `public_url` where it is given. The files are "" when the operator's own
    certificate is shown: nothing has to be trusted for it.
    """

    http: str
    https: str
    ca_file: str = ""
    bundle_file: str = ""


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """What a program needs to use one account; paths are absolute, addresses have no slash at the end.

    `account_sid` and `auth_token` are name and password of Basic authentication; `app_key` is what goes after `App` in
    an Authorization header. `application_id` and `user_object_id` are who the bearers of `trunkline token` speak for
    within the directory `tenant_id`.
    """

    account: str
    parent: str
    http: str
    https: str
    ca_file: str
    connection_string: str
    access_keys: tuple[str, str]
    resource_id: str
    immutable_resource_id: str
    subscription_id: str
    tenant_id: str
    application_id: str
    user_object_id: str
    phone_numbers: list[str]
    account_sid: str
    auth_token: str
    app_key: str
    api_key: str
    page_url: str
    env: dict[str, str]

    def __repr__(self) -> str:
        return f"Connection(https={self.https!r})"  # keys never reach a log


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds: the connections of every account, the default one first, and who wrote it.

    `instance` is what `/healthz` of the same server answers; `local` is its plain address on this machine.
    """

    instance: str
    local: str
    accounts: dict[str, Connection]


def describe(resource: Resource, place: Place, phone_numbers: list[str]) -> Connection:
    """Return the connection of a resource's account, which owns these numbers."""
    env = {}
    if place.ca_file:
        env = {
            "REQUESTS_CA_BUNDLE": place.bundle_file,
            "SSL_CERT_FILE": place.bundle_file,
            "NODE_EXTRA_CA_CERTS": place.ca_file,
        }
    return Connection(
        account=resource.name,
        parent=resource.parent,
        http=place.http,
        https=place.https,
        ca_file=place.ca_file,
        connection_string=f"endpoint={place.https}/;accesskey={resource.key1}",
        access_keys=resource.keys,
        resource_id=resource_id(resource.subscription_id, resource.resource_group, resource.name),
        immutable_resource_id=resource.immutable_id,
        subscription_id=resource.subscription_id,
        tenant_id=resource.tenant_id,
        application_id=resource.application_id,
        user_object_id=resource.operator_id,
        phone_numbers=phone_numbers,
        account_sid=resource.sid,
        auth_token=resource.auth_token,
        app_key=resource.app_key,
        api_key=resource.api_key,
        page_url=place.https,
        env=env,
    )


def write(folder: Path, announcement: Announcement) -> None:
    """Put the file in its place as a whole, readable by its owner only."""
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{FILE}.")  # made with mode 0600
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(msgspec.json.format(msgspec.json.encode(announcement)))
        Path(temporary).replace(folder / FILE)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def remove(folder: Path) -> None:
    """Take the file away: the server stops."""
    with suppress(OSError):
        (folder / FILE).unlink(missing_ok=True)


def read(folder: Path) -> Announcement:
    """Read the file of a server that runs on a data folder; raises UnavailableError with a remedy."""
    file = folder.absolute() / FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=Announcement)
    except FileNotFoundError:
        raise UnavailableError(
            f"No server runs on the data folder {folder.absolute()}, or it is not ready yet: start one with "
            "`trunkline serve`, or name its folder with --data or its address with --url."
        ) from None
    except OSError as error:
        raise UnavailableError(f"{file} cannot be read ({error.strerror}): be the user who runs the server.") from error
    except msgspec.DecodeError as error:
        raise UnavailableError(f"{file} was not written by this version of Trunkline ({error}).") from error


def account(announcement: Announcement, name: str) -> Connection:
    """Return the connection of one account, "" being the default one; raises NotFoundError."""
    accounts = announcement.accounts
    found = accounts.get(name.lower()) if name else next(iter(accounts.values()))
    if found is None:
        remedy = "start it with `trunkline serve --demo`" if name == "demo" else f"`trunkline account create {name}`"
        raise NotFoundError(f"There is no account {name!r} ({', '.join(accounts)}): {remedy} makes it.", target=name)
    return found
