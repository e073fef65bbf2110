"""Search of a STAC API for the items of a place and a period, and explanations of empty results."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from unclouded.catalog.period import Period
from unclouded.catalog.presets import Catalogue
from unclouded.errors import InputError, NetworkError
from unclouded.extras import needing
from unclouded.reading.grids.area import Area
from unclouded.reading.grids.rings import SWAPPED
from unclouded.reading.names.dates import parse_time

if TYPE_CHECKING:
    from pystac_client import Client

_SECONDS = 60
_PAGE = 100
_TRIES = 5
_BUSY = (429, 500, 502, 503, 504)
"""HTTP statuses after which a request is retried."""

_AROUND = (30, 365)
"""Days by which a period is extended to look for other dates, in turn."""

_NEAREST = 3


@dataclass(frozen=True)
class Request:
    """A search of a catalogue.

    Attributes:
        catalogue: to search.
        collection: of the catalogue.
        area: of interest.
        period: of acquisition.
        most_items: largest number of items that is accepted.
        back_off: seconds before the first retry of a request; doubled before each further one.
    """

    catalogue: Catalogue
    collection: str
    area: Area
    period: Period
    most_items: int
    back_off: float = 1.0


def find_items(request: Request) -> list[dict[str, Any]]:
    """Find the items of a request in order of time, with absolute addresses of their assets.

    Raises:
        InputError: there is none, or there are too many; or the address is no STAC API, or it refuses the search.
        NetworkError: the catalogue cannot be reached, or does not respond.
        MissingExtraError: the extra for searching it is not installed.
    """
    client = _open(request)
    found = list(_items(client, request, request.most_items + 1))
    if len(found) > request.most_items:
        raise InputError(
            f"{request.catalogue.address}: has more than {request.most_items:,} items of {request.area.name} in "
            f"{request.period}; narrow the area or --dates, or accept more with --max-items"
        )
    if not found:
        raise InputError(_explain_empty(client, request))
    return sorted(found, key=lambda item: (time_of(item), str(item.get("id"))))


def time_of(item: dict[str, Any]) -> str:
    """Acquisition time of an item as text: `datetime`, else the start of its interval; empty without either."""
    properties = item.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    return str(properties.get("datetime") or properties.get("start_datetime") or "")


def address_of(item: dict[str, Any]) -> str:
    """The address of an item itself, else its id."""
    links = (link for link in item.get("links") or () if isinstance(link, dict))
    return next((str(link["href"]) for link in links if link.get("rel") == "self" and "href" in link), str(item["id"]))


def _open(request: Request) -> Client:
    address = request.catalogue.address
    with needing(request.catalogue.extra, f"{address}: asking it"):
        import pystac_client
        from pystac_client.stac_api_io import StacApiIO
    from urllib3 import Retry

    retry = Retry(
        total=_TRIES,
        backoff_factor=request.back_off,
        status_forcelist=_BUSY,
        allowed_methods=None,
        raise_on_status=False,
    )
    with _translated_errors(request):
        client = pystac_client.Client.open(address, stac_io=StacApiIO(timeout=_SECONDS, max_retries=retry))
        searches = client.get_links("search")
    if not searches:
        raise InputError(f"{address}: is a catalogue without search, no STAC API; give the address of a STAC API")
    return client


def _items(client: Client, request: Request, most: int) -> Iterator[dict[str, Any]]:
    # Some catalogues support only one of the two methods.
    methods = [str(link.extra_fields.get("method", "GET")).upper() for link in client.get_links("search")]
    with _translated_errors(request):
        search = client.search(
            method="POST" if "POST" in methods else "GET",
            collections=[request.collection],
            bbox=list(request.area.bounds),
            datetime=request.period.interval,
            limit=_PAGE,
            max_items=most,
        )
        for item in search.items_as_dicts():
            if not isinstance(item.get("assets"), dict) or parse_time(time_of(item)) is None or "id" not in item:
                raise InputError(f"{request.catalogue.address}: an item of it has no id, time or assets: {item}"[:300])
            yield _with_absolute_addresses(item)


def _with_absolute_addresses(item: dict[str, Any]) -> dict[str, Any]:
    home = address_of(item)
    assets = {
        key: asset | {"href": urljoin(home, asset["href"])}
        for key, asset in item["assets"].items()
        if isinstance(asset, dict) and isinstance(asset.get("href"), str)
    }
    return item | {"assets": assets}


@contextmanager
def _translated_errors(request: Request) -> Iterator[None]:
    """Translate the exceptions of `pystac-client` into errors of one line."""
    from pystac import STACError, STACTypeError
    from pystac_client.exceptions import APIError

    address = request.catalogue.address
    try:
        yield
    except APIError as error:
        # The error has no status if there was no response.
        raise _refusal(address, getattr(error, "status_code", None), error) from error
    # pystac raises these for responses that are not STAC.
    except (ValueError, STACError, STACTypeError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{address}: does not answer as a STAC API ({_shortened(error)}); give the address of its landing page"
        ) from error


def _refusal(address: str, status: int | None, error: Exception) -> InputError | NetworkError:
    if status in (401, 403):
        return InputError(f"{address}: refuses the search (HTTP {status}); give an address that needs no signing in")
    if status is not None and 400 <= status < 500 and status != 429:
        return InputError(
            f"{address}: does not understand the search (HTTP {status}: {_shortened(error)}); "
            "give the address of a STAC API, and the name of a collection in it"
        )
    # Of nested exceptions, the message of the operating system is shown.
    system = re.search(r"\[Errno -?\d+\] ([^'\")]+)", str(error))
    reason = f"HTTP {status}" if status else system[1] if system else _shortened(error)
    return NetworkError(
        f"{address}: does not answer, after {_TRIES + 1} tries ({reason}); "
        "check the address and the network, then run the same command again"
    )


def _shortened(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _explain_empty(client: Client, request: Request) -> str:
    """Explain an empty result: are there other dates, or are the coordinates swapped, or the collection unknown?"""
    address, area = request.catalogue.address, request.area
    problem = f"{address}: has nothing of {area.name} in {request.period} in {request.collection}"
    for days in _AROUND:
        wider = replace(request, period=request.period.wider(days))
        # If there are many, catalogues mostly return the latest, which are the nearest on that side at least.
        times = (parse_time(time_of(item)) for item in _items(client, wider, request.most_items))
        if near := nearest_days([time.date() for time in times if time is not None], request.period):
            return f"{problem}; the nearest dates are {', '.join(map(str, near))}: give other --dates"
    if _has_any(client, request):
        return f"{problem}, nor in the year before and after; give other --dates"
    swapped = area.swapped()
    if swapped is not None and _has_any(client, replace(request, area=swapped)):
        return f"{problem}, at any time; {SWAPPED}"
    if not _has_collection(client, request):
        return f"{problem}: it has no such collection; give one that it has with --collection"
    return f"{problem}, at any time; give an area that it covers"


def _has_any(client: Client, request: Request) -> bool:
    always = Period(date(2015, 1, 1), date(2099, 12, 31))
    return next(_items(client, replace(request, period=always), 1), None) is not None


def _has_collection(client: Client, request: Request) -> bool:
    with _translated_errors(request):
        return any(collection.id == request.collection for collection in client.get_collections())


def nearest_days(days: list[date], period: Period) -> list[date]:
    """The `_NEAREST` days nearest to a period, in order of time."""
    distances = sorted({(max((period.first - day).days, (day - period.last).days, 0), day) for day in days})
    return sorted(day for _, day in distances[:_NEAREST])
