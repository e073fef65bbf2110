"""Validation by the core schemas of STAC, as pystac carries them; those of the extensions are on the network alone."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft7Validator
from pystac.validation.local_validator import get_local_schema_cache
from referencing import Registry, Resource

_KINDS = {"Feature": "item-spec/json-schema/item.json", "Collection": "collection-spec/json-schema/collection.json"}


def validate(record: dict[str, Any]) -> None:
    """Check an item or a collection of STAC 1.1; `jsonschema.ValidationError` if it is none."""
    schemas = get_local_schema_cache()
    registry = Registry().with_resources([(name, Resource.from_contents(held)) for name, held in schemas.items()])
    (schema,) = [held for name, held in schemas.items() if name.endswith(f"v1.1.0/{_KINDS[record['type']]}")]
    Draft7Validator(schema, registry=registry).validate(record)
