"""Whether a client of one openapi.yaml can go on with another: every incompatible difference, by kind and place.

    python Tests/Contract/compatibility.py OLD NEW

A request may not have to say more than before, and everything that could be said is still taken. An answer may say more
than before, and everything that it said it still says. So in what clients send nothing may become narrower, and in what they
receive nothing may become wider; the names that generated clients are made of (operations, schemas) stay.

Only the keywords of schemas that openapi.yaml uses are known; another one is an error, never passed over.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

# Keywords that say nothing about which values are valid.
TEXTS = {"description", "title", "example", "examples", "default", "deprecated", "externalDocs"}
# Those that every schema of the document may have, beside those of the two tables below.
SHAPE = {"type", "format", "pattern", "enum", "x-extensible-enum", "nullable", "items", "properties", "required", "additionalProperties"}
LOWER_BOUNDS = {"minimum", "minLength", "minItems", "minProperties"}
UPPER_BOUNDS = {"maximum", "maxLength", "maxItems", "maxProperties"}


@dataclass(frozen=True, order=True)
class Change:
    """One incompatible difference."""

    kind: str
    place: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind} at {self.place}" + (f": {self.detail}" if self.detail else "")


class Comparison:
    """Finds what is incompatible in `new` for clients of `old`."""

    def __init__(self, old: dict, new: dict):
        self.old, self.new = old, new
        self.changes: set[Change] = set()
        self.seen: set[tuple] = set()

    def run(self) -> list[Change]:
        for path, old_item in self.old["paths"].items():
            new_item = self.new["paths"].get(path, {})
            for method in METHODS:
                if method in old_item:
                    place = f"{method.upper()} {path}"
                    if method in new_item:
                        self.operation(old_item, new_item, method, place)
                    else:
                        self.add("operation-removed", place)
        for name in self.old.get("components", {}).get("schemas", {}):
            if name not in self.new.get("components", {}).get("schemas", {}):
                self.add("schema-name-removed", name)
        return sorted(self.changes)

    def add(self, kind: str, place: str, detail: str = "") -> None:
        self.changes.add(Change(kind, place, detail))

    # Operations

    def operation(self, old_item: dict, new_item: dict, method: str, place: str) -> None:
        old, new = old_item[method], new_item[method]
        if old.get("operationId") != new.get("operationId"):
            self.add("operation-name-changed", place, f"{old.get('operationId')} is {new.get('operationId')}")
        self.security(old, new, place)
        self.parameters(self.all_parameters(self.old, old_item, old), self.all_parameters(self.new, new_item, new), place)
        self.request_body(self.resolve(self.old, old.get("requestBody")), self.resolve(self.new, new.get("requestBody")), place)
        for status, answer in old["responses"].items():
            if status in new["responses"]:
                self.response(self.resolve(self.old, answer), self.resolve(self.new, new["responses"][status]), f"{place} {status}")
            else:
                self.add("status-removed", f"{place} {status}")

    def security(self, old: dict, new: dict, place: str) -> None:
        """Each way to authenticate is still one. Schemes are known by what is sent, not by their names."""
        ways = self.credentials(self.new, new)
        for way in self.credentials(self.old, old):
            if not any(other <= way for other in ways):
                self.add("credential-refused", place, ", ".join(sorted(map(str, way))) or "none needed before")

    @staticmethod
    def credentials(document: dict, operation: dict) -> list[frozenset]:
        schemes = document.get("components", {}).get("securitySchemes", {})

        def sent(name: str) -> tuple:
            scheme = schemes[name]
            return tuple(str(scheme.get(key, "")).lower() for key in ("type", "scheme", "in", "name"))

        return [frozenset(map(sent, way)) for way in operation.get("security", document.get("security", [])) or [{}]]

    def all_parameters(self, document: dict, item: dict, operation: dict) -> dict[str, dict]:
        found = [self.resolve(document, entry) for entry in item.get("parameters", []) + operation.get("parameters", [])]
        # The names of header fields have no case.
        return {f"{entry['in']} {entry['name'].lower() if entry['in'] == 'header' else entry['name']}": entry for entry in found}

    def parameters(self, old: dict[str, dict], new: dict[str, dict], place: str) -> None:
        for name, parameter in old.items():
            if name not in new:
                self.add("parameter-removed", f"{place} {name}")
                continue
            if new[name].get("required") and not parameter.get("required"):
                self.add("parameter-made-required", f"{place} {name}")
            self.schema(parameter["schema"], new[name]["schema"], "request", f"{place} {name}")
        for name in new.keys() - old.keys():
            if new[name].get("required"):
                self.add("parameter-made-required", f"{place} {name}")

    def request_body(self, old: dict | None, new: dict | None, place: str) -> None:
        if old is None:
            if new is not None and new.get("required"):
                self.add("body-made-required", place)
            return
        if new is None:
            self.add("body-removed", place)
            return
        if new.get("required") and not old.get("required"):
            self.add("body-made-required", place)
        self.content(old, new, "request", place)

    def response(self, old: dict, new: dict, place: str) -> None:
        # RFC 9110: the names of fields have no case.
        fields = {name.lower(): field for name, field in new.get("headers", {}).items()}
        for name, field in old.get("headers", {}).items():
            if name.lower() not in fields:
                self.add("header-removed", f"{place} {name}")
                continue
            before, now = self.resolve(self.old, field), self.resolve(self.new, fields[name.lower()])
            if before.get("required") and not now.get("required"):
                self.add("header-made-optional", f"{place} {name}")
            self.schema(before["schema"], now["schema"], "response", f"{place} {name}")
        self.content(old, new, "response", place)

    def content(self, old: dict, new: dict, direction: str, place: str) -> None:
        for media_type, content in old.get("content", {}).items():
            if media_type not in new.get("content", {}):
                self.add("media-type-removed", f"{place} {media_type}")
            elif "schema" in content:
                self.schema(content["schema"], new["content"][media_type].get("schema", {}), direction, f"{place} {media_type}")

    # Schemas

    def schema(self, old: dict, new: dict, direction: str, place: str) -> None:
        """Compares two schemas. A named one is compared once in each direction, and its name begins the place."""
        if "$ref" in old:
            name = old["$ref"].rsplit("/", 1)[-1]
            place = name if direction == "response" else f"{name} (request)"
            if (name, new.get("$ref"), direction) in self.seen:
                return
            self.seen.add((name, new.get("$ref"), direction))
        old, new = self.resolve(self.old, old), self.resolve(self.new, new)
        for schema in (old, new):
            if unknown := schema.keys() - TEXTS - SHAPE - LOWER_BOUNDS - UPPER_BOUNDS:
                raise ValueError(f"{place}: this check does not know {', '.join(sorted(unknown))}")
        if old.get("type") != new.get("type"):
            self.add(f"{direction}-type-changed", place, f"{old.get('type')} is {new.get('type')}")
            return
        request = direction == "request"
        # In a request nothing becomes narrower: what was valid is valid. In an answer it is the other way round.
        wide, narrow = (new, old) if request else (old, new)
        self.values(wide, narrow, direction, place)
        self.enumerations(old, new, direction, place)
        self.members(old, new, request, place)
        if "items" in old:
            self.schema(old["items"], new.get("items", {}), direction, f"{place}[]")

    def values(self, wide: dict, narrow: dict, direction: str, place: str) -> None:
        """What `narrow` lets through, `wide` lets through."""
        kind = f"{direction}-values-changed"
        for keyword in ("format", "pattern"):
            if keyword in wide and wide[keyword] != narrow.get(keyword):
                self.add(kind, place, keyword)
        for keyword in LOWER_BOUNDS:
            if wide.get(keyword, 0 if keyword != "minimum" else float("-inf")) > narrow.get(keyword, 0 if keyword != "minimum" else float("-inf")):
                self.add(kind, place, keyword)
        for keyword in UPPER_BOUNDS:
            if wide.get(keyword, float("inf")) < narrow.get(keyword, float("inf")):
                self.add(kind, place, keyword)
        if narrow.get("nullable") and not wide.get("nullable"):
            self.add(kind, place, "nullable")

    def enumerations(self, old: dict, new: dict, direction: str, place: str) -> None:
        kind = f"{direction}-enum-changed"
        for keyword in ("enum", "x-extensible-enum"):
            # A value that is gone is one that clients can no longer send, or wait for in vain.
            for value in old.get(keyword, []):
                if value not in new.get(keyword, new.get("enum", []) if direction == "response" else [value]):
                    self.add(kind, place, f"{value} removed")
        if direction == "response" and "enum" in old:
            for value in set(new.get("enum", new.get("x-extensible-enum", ["any value"]))) - set(old["enum"]):
                self.add(kind, place, f"{value} added to a closed list")
        if direction == "request" and "enum" in new and "enum" not in old:
            self.add(kind, place, "a closed list now")

    def members(self, old: dict, new: dict, request: bool, place: str) -> None:
        direction = "request" if request else "response"
        before, now = old.get("properties", {}), new.get("properties", {})
        for name in before.keys() - now.keys():
            self.add(f"{direction}-member-removed", f"{place}.{name}")
        for name in before.keys() & now.keys():
            self.schema(before[name], now[name], direction, f"{place}.{name}")
        was, is_now = set(old.get("required", [])), set(new.get("required", []))
        for name in (is_now - was) if request else (was - is_now):
            self.add(f"request-member-made-required" if request else "response-member-made-optional", f"{place}.{name}")
        self.further_members(old, new, direction, place)

    def further_members(self, old: dict, new: dict, direction: str, place: str) -> None:
        """Members without a name in the document. An answer may always have some: clients ignore what they do not know."""
        before, now = old.get("additionalProperties", True), new.get("additionalProperties", True)
        if isinstance(before, dict) and isinstance(now, dict):
            self.schema(before, now, direction, f"{place}.*")
        elif direction == "request" and before is not False and now is not True:
            self.add("request-member-removed", f"{place}.*")
        elif direction == "response" and isinstance(before, dict):
            self.add("response-type-changed", f"{place}.*")

    @staticmethod
    def resolve(document: dict, node: dict | None) -> dict | None:
        while node and "$ref" in node:
            target = document
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            node = target
        return node


def changes(old: dict, new: dict) -> list[Change]:
    """Every difference between two documents that can break a client of the old one."""
    return Comparison(old, new).run()


if __name__ == "__main__":
    found = changes(*(yaml.safe_load(Path(file).read_text()) for file in sys.argv[1:3]))
    print("\n".join(map(str, found)) or "compatible")
    sys.exit(1 if found else 0)
