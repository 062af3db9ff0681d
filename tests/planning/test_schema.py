"""docs/reference/plan-schema.json: what programs may rely on."""

import json
from pathlib import Path

from llmplan.planning.schema import schema

FILE = Path(__file__).parents[2] / "docs" / "reference" / "plan-schema.json"


def test_the_file_is_what_the_classes_say():
    """Written by ``python -m llmplan.planning.schema > docs/reference/plan-schema.json``, never by hand."""
    assert json.loads(FILE.read_text("utf-8")) == schema()


def test_every_plan_is_valid(plan):
    """Real plans of every kind, as JSON has them."""
    assert list(faults(json.loads(plan.to_json()), schema(), "plan")) == []


def test_what_is_wrong_is_invalid(plans):
    """The schema is no rubber stamp."""
    data = json.loads(plans["site"].to_json())
    data["time"]["steps"]["unit"] = "second"
    data["memory"]["extra"] = 1
    del data["energy"]["site"]["unit"]
    data["schema_version"] = 2
    paths = {path for path, _ in faults(data, schema(), "plan")}
    assert paths == {"plan.time.steps.unit", "plan.memory.extra", "plan.energy.site.unit", "plan.schema_version"}


TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}


def faults(value, rule, path):
    """What is wrong with *value* by the words of JSON Schema that the file uses."""
    known = {"$ref", "type", "const", "enum", "anyOf", "properties", "required", "additionalProperties", "items", "prefixItems"}
    told = {"$schema", "$defs", "title", "description", "minItems", "maxItems"}
    assert set(rule) <= known | told
    if "$ref" in rule:
        yield from faults(value, schema()["$defs"][rule["$ref"].rpartition("/")[2]], path)
    if "anyOf" in rule:
        found = [list(faults(value, each, path)) for each in rule["anyOf"]]
        yield from min(found, key=len)
    if "type" in rule and not is_of(value, rule["type"]):
        yield path, f"is no {rule['type']}"
        return
    if "const" in rule and value != rule["const"]:
        yield path, "is another constant"
    if "enum" in rule and value not in rule["enum"]:
        yield path, "is none of them"
    yield from inside(value, rule, path)


def is_of(value, name):
    """Whether a value has a type of JSON, to which true is no number."""
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def inside(value, rule, path):
    """The faults of members."""
    if isinstance(value, dict):
        properties, others = rule.get("properties", {}), rule.get("additionalProperties", True)
        yield from ((f"{path}.{name}", "is missing") for name in rule.get("required", ()) if name not in value)
        for key, item in value.items():
            if key in properties or isinstance(others, dict):
                yield from faults(item, properties.get(key, others), f"{path}.{key}")
            elif others is False:
                yield f"{path}.{key}", "is not known"
    elif isinstance(value, list):
        rules = rule.get("prefixItems") or [rule.get("items", {})] * len(value)
        if not rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", len(value)):
            yield path, "has another length"
        for place, (item, each) in enumerate(zip(value, rules, strict=False)):
            yield from faults(item, each, f"{path}[{place}]")
