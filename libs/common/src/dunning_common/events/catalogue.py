"""Writes what the contracts say: `docs/events.md` for people, `docs/asyncapi.yaml` for tools.

`python -m dunning_common.events.catalogue docs/`. Made from the models alone; a test compares, so
that the documents cannot lie. Also gives the JSON Schemas that the snapshots hold.
"""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path
from typing import Any

import yaml

from dunning_common.events.contacts import Contacts
from dunning_common.events.envelope import Contract, Envelope, Payload
from dunning_common.events.registry import PARTITIONS, TOPICS, Topic

DOCUMENTS = ("events.md", "asyncapi.yaml")
_ASYNCAPI_VERSION = "3.0.0"
_SCHEMAS = "#/components/schemas/"
_INTRODUCTION = (
    "Every event travels in one envelope (CloudEvents attributes and what ordering needs) as JSON, "
    f"in {PARTITIONS} partitions per topic, keyed as each topic says. `sequence` counts 1, 2, 3… "
    "per topic and key: a jump is a loss, a repeat is dropped. A released version never changes; a "
    "break is a `V2` beside it."
)


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of every published shape by name: envelope, payloads, contacts."""
    shapes: list[type[Envelope | Contract]] = [Envelope, Contacts]
    shapes += [event for topic in TOPICS.values() for event in topic.events]
    return {shape.__name__: _tidy(shape.model_json_schema()) for shape in shapes}


def events_markdown() -> str:
    """The whole of `docs/events.md`."""
    lines = [
        "# Events",
        "",
        "Made by `make events-docs` from `dunning_common.events`; do not edit.",
        "",
        _INTRODUCTION,
        "",
        "## Envelope",
        "",
        _prose(Envelope),
        "",
        *_fields(Envelope.model_json_schema()),
    ]
    for topic in TOPICS.values():
        lines += ["", *_topic(topic)]
    shared = _shared_shapes()
    lines += ["", "## Shapes inside events"]
    for name in sorted(shared):
        lines += ["", f"### {name}", ""]
        if description := shared[name].get("description"):
            lines += [_paragraphs(description), ""]
        lines += _fields(shared[name])
    return "\n".join(lines) + "\n"


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI document."""
    components: dict[str, Any] = {"Envelope": _component(Envelope.model_json_schema())}
    messages: dict[str, Any] = {}
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    components |= {name: _component(schema) for name, schema in _shared_shapes().items()}
    for topic in TOPICS.values():
        for event in topic.events:
            components[event.__name__] = _component(event.model_json_schema())
            messages[event.__name__] = _message(event)
        channel = topic.name.replace(".", "_")
        channels[channel] = _channel(topic)
        operations[f"publish_{channel}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{channel}"},
            "summary": f"{topic.producer} writes {topic.name}.",
        }
    return {
        "asyncapi": _ASYNCAPI_VERSION,
        "info": {
            "title": "Dunning platform events",
            "version": "1",
            "description": "Made by `make events-docs` from the event models.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": dict(sorted(components.items()))},
    }


def write(folder: Path) -> None:
    """Write both documents into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "events.md").write_text(events_markdown(), encoding="utf-8")
    (folder / "asyncapi.yaml").write_text(asyncapi_yaml(), encoding="utf-8")


def asyncapi_yaml() -> str:
    """The whole of `docs/asyncapi.yaml`."""
    return yaml.safe_dump(asyncapi(), sort_keys=False, allow_unicode=True, width=100)


def _topic(topic: Topic) -> list[str]:
    kept = "compacted" if topic.compacted else "by time"
    lines = [
        f"## `{topic.name}`",
        "",
        f"Written by **{topic.producer}**, key `{topic.key}`, kept {kept}.",
    ]
    for event in topic.events:
        lines += ["", f"### {event.__name__}", "", _prose(event), ""]
        lines += _fields(event.model_json_schema())
    return lines


def _fields(schema: dict[str, Any]) -> list[str]:
    """A Markdown table of a schema's properties."""
    if not schema.get("properties"):
        return ["No fields."]
    required = set(schema.get("required", ()))
    lines = ["| field | type | |", "|---|---|---|"]
    for name, field in schema["properties"].items():
        notes = [] if name in required else [_default(field)]
        limits = [f"{word} {field[key]}" for key, word in _LIMITS.items() if key in field]
        lines.append(f"| `{name}` | {_type(field)} | {', '.join(limits + notes)} |")
    return lines


_LIMITS = {"minimum": "at least", "maximum": "at most", "maxLength": "at most characters"}


def _default(field: dict[str, Any]) -> str:
    if "default" not in field:
        return "made when absent"
    if field["default"] in (None, [], ""):
        return "optional"
    return f"default `{field['default']}`"


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_type(option) for option in field["anyOf"]))
    if "enum" in field:
        return " \\| ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    return str(field.get("format", field.get("type", "any")))


def _prose(shape: type[Envelope | Contract]) -> str:
    return _paragraphs(inspect.getdoc(shape) or "")


def _paragraphs(text: str) -> str:
    """Unwrap the lines of each paragraph."""
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(text).split("\n\n"))


def _shared_shapes() -> dict[str, dict[str, Any]]:
    """Every shape that is used inside payloads, by name."""
    found: dict[str, dict[str, Any]] = {}
    for topic in TOPICS.values():
        for event in topic.events:
            found |= event.model_json_schema().get("$defs", {})
    found["Contacts"] = Contacts.model_json_schema()
    found |= found["Contacts"].pop("$defs", {})
    return found


def _message(event: type[Payload]) -> dict[str, Any]:
    data = {"type": {"const": event.__name__}, "data": {"$ref": _SCHEMAS + event.__name__}}
    return {
        "name": event.__name__,
        "summary": _prose(event).split("\n\n", 1)[0],
        "payload": {"allOf": [{"$ref": _SCHEMAS + "Envelope"}, {"properties": data}]},
    }


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": f"Written by {topic.producer}; the record's key is {topic.key}.",
        "messages": {
            event.__name__: {"$ref": f"#/components/messages/{event.__name__}"}
            for event in topic.events
        },
        "bindings": {
            "kafka": {
                "partitions": PARTITIONS,
                "topicConfiguration": {
                    "cleanup.policy": ["compact" if topic.compacted else "delete"]
                },
            }
        },
    }


def _component(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema whose parts are found among the components."""
    moved: dict[str, Any] = _move_references(
        {key: value for key, value in schema.items() if key != "$defs"}
    )
    return moved


def _move_references(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: value.replace("#/$defs/", _SCHEMAS) if key == "$ref" else _move_references(value)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_move_references(item) for item in node]
    return node


def _tidy(node: Any) -> Any:
    """Without titles and descriptions: words may be bettered, shapes may not."""
    if isinstance(node, dict):
        return {
            key: {name: _tidy(field) for name, field in value.items()}
            if key in {"properties", "$defs"}
            else _tidy(value)
            for key, value in node.items()
            if key not in {"title", "description"} or not isinstance(value, str)
        }
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    return node


def main() -> None:
    """Entry point: write the documents into the folder given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("docs"))
    write(parser.parse_args().folder)


if __name__ == "__main__":
    main()
