"""Every example of the document, wherever it stands, fits the schema that it stands beside or in. (That what is sent is accepted, and
what is answered fits, is the business of Schemathesis.)"""

import json
import sys

import jsonschema_rs


def examples(node, path=()):
    """Place, schema and value of each example below this node of the document."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from examples(item, (*path, str(index)))
        return
    if not isinstance(node, dict):
        return
    # What stands below `properties` are names, not keywords.
    if path[-1:] != ("properties",):
        # Of a body, a parameter or a header; else the node is a schema itself.
        schema = node.get("schema", node)
        values = node.get("examples", [])
        if isinstance(values, dict):
            values = [example["value"] for example in values.values()]
        if "example" in node:
            values = [*values, node["example"]]
        for value in values:
            yield path, schema, value
        node = {key: value for key, value in node.items() if key not in ("example", "examples")}
    for key, value in node.items():
        yield from examples(value, (*path, key))


def main(path):
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    checked = {"paths": 0, "components": 0}
    for place, schema, value in examples(document):
        schema = {**schema, "components": document["components"]}
        validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
        for error in validator.iter_errors(value):
            sys.exit(f"{' / '.join(place)}: {error.message} at {error.instance_path}")
        checked[place[0]] += 1
    if not all(checked.values()):
        sys.exit(f"no examples were found in some part of {path}: {checked}")
    print(f"{sum(checked.values())} examples fit their schemas")


if __name__ == "__main__":
    main(sys.argv[1])
