"""Asking a STAC API what it has of a place and a period, page by page, and why it has nothing."""

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
"""Answers of a server that may give another one a little later."""

_AROUND = (30, 365)
"""Days before and after a period in which other dates are looked for, the nearest first."""

_NEAREST = 3


@dataclass(frozen=True)
class Request:
    """What is asked of a catalogue.

    Attributes:
        catalogue: that is asked.
        collection: in it.
        area: that is to be seen.
        period: in which.
        most_items: that are accepted.
        back_off: seconds before the second try at a server that is busy or away; twice as many before each next one.
    """

    catalogue: Catalogue
    collection: str
    area: Area
    period: Period
    most_items: int
    back_off: float = 1.0


def find_items(request: Request) -> list[dict[str, Any]]:
    """Find the items of a request, whose addresses are whole ones, by time.

    Raises:
        InputError: there is none, or there are too many; or the address is no STAC API, or it refuses.
        NetworkError: the catalogue cannot be reached, or does not answer.
        MissingExtraError: the extra that asking it needs is not installed.
    """
    client = _open(request)
    found = list(_items(client, request, request.most_items + 1))
    if len(found) > request.most_items:
        raise InputError(
            f"{request.catalogue.address}: has more than {request.most_items:,} items of {request.area.name} in "
            f"{request.period}; narrow the area or --dates, or accept more with --max-items"
        )
    if not found:
        raise InputError(_why_nothing(client, request))
    return sorted(found, key=lambda item: (time_of(item), str(item.get("id"))))


def time_of(item: dict[str, Any]) -> str:
    """When an item was taken, as it says it: `datetime`, else the start of its interval; empty if neither is there."""
    properties = item.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    return str(properties.get("datetime") or properties.get("start_datetime") or "")


def home_of(item: dict[str, Any]) -> str:
    """The address of an item itself; its name where it does not say it."""
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
    with _faults(request):
        client = pystac_client.Client.open(address, stac_io=StacApiIO(timeout=_SECONDS, max_retries=retry))
        searches = client.get_links("search")
    if not searches:
        raise InputError(f"{address}: is a catalogue without search, no STAC API; give the address of a STAC API")
    return client


def _items(client: Client, request: Request, most: int) -> Iterator[dict[str, Any]]:
    # Some catalogues do not know one of the two.
    methods = [str(link.extra_fields.get("method", "GET")).upper() for link in client.get_links("search")]
    with _faults(request):
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
            yield _with_whole_addresses(item)


def _with_whole_addresses(item: dict[str, Any]) -> dict[str, Any]:
    home = home_of(item)
    assets = {
        key: asset | {"href": urljoin(home, asset["href"])}
        for key, asset in item["assets"].items()
        if isinstance(asset, dict) and isinstance(asset.get("href"), str)
    }
    return item | {"assets": assets}


@contextmanager
def _faults(request: Request) -> Iterator[None]:
    """Turn what `pystac-client` raises into errors of one line."""
    from pystac import STACError, STACTypeError
    from pystac_client.exceptions import APIError

    address = request.catalogue.address
    try:
        yield
    except APIError as error:
        # It has no status where nobody answered.
        raise _refusal(address, getattr(error, "status_code", None), error) from error
    # pystac looks into what it was sent without checking first.
    except (ValueError, STACError, STACTypeError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{address}: does not answer as a STAC API ({_first_words(error)}); give the address of its landing page"
        ) from error


def _refusal(address: str, status: int | None, error: Exception) -> InputError | NetworkError:
    if status in (401, 403):
        return InputError(f"{address}: refuses the search (HTTP {status}); give an address that needs no signing in")
    if status is not None and 400 <= status < 500 and status != 429:
        return InputError(
            f"{address}: does not understand the search (HTTP {status}: {_first_words(error)}); "
            "give the address of a STAC API, and the name of a collection in it"
        )
    # Of a chain of errors within each other the system's own words are those to read.
    system = re.search(r"\[Errno -?\d+\] ([^'\")]+)", str(error))
    said = f"HTTP {status}" if status else system[1] if system else _first_words(error)
    return NetworkError(
        f"{address}: does not answer, after {_TRIES + 1} tries ({said}); "
        "check the address and the network, then run the same command again"
    )


def _first_words(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _why_nothing(client: Client, request: Request) -> str:
    """Say what was asked, and what there is instead: other dates, or the place with its coordinates swapped."""
    address, area = request.catalogue.address, request.area
    asked = f"{address}: has nothing of {area.name} in {request.period} in {request.collection}"
    for days in _AROUND:
        wider = replace(request, period=request.period.wider(days))
        # Of many the catalogue gives those that it likes, mostly the latest: the nearest on that side at least.
        times = (parse_time(time_of(item)) for item in _items(client, wider, request.most_items))
        if near := nearest_days([time.date() for time in times if time is not None], request.period):
            return f"{asked}; the nearest dates are {', '.join(map(str, near))}: give other --dates"
    if _has_any(client, request):
        return f"{asked}, nor in the year before and after; give other --dates"
    swapped = area.swapped()
    if swapped is not None and _has_any(client, replace(request, area=swapped)):
        return f"{asked}, at any time; {SWAPPED}"
    if not _knows_collection(client, request):
        return f"{asked}: it has no such collection; give one that it has with --collection"
    return f"{asked}, at any time; give an area that it covers"


def _has_any(client: Client, request: Request) -> bool:
    always = Period(date(2015, 1, 1), date(2099, 12, 31))
    return next(_items(client, replace(request, period=always), 1), None) is not None


def _knows_collection(client: Client, request: Request) -> bool:
    with _faults(request):
        return any(collection.id == request.collection for collection in client.get_collections())


def nearest_days(days: list[date], period: Period) -> list[date]:
    """The days nearest to a period, in order of time."""
    apart = sorted({(max((period.first - day).days, (day - period.last).days, 0), day) for day in days})
    return sorted(day for _, day in apart[:_NEAREST])
