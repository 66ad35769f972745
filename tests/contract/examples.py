"""Every example of the document fits the schema that it stands beside. (That what is sent is accepted, and what is answered fits,
is the business of Schemathesis.)"""

import json
import sys

import jsonschema_rs


def main(path):
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    checked = 0
    for url, item in document["paths"].items():
        for method, operation in item.items():
            holders = [operation.get("requestBody", {}), *operation["responses"].values()]
            for content in (content for holder in holders for content in holder.get("content", {}).values()):
                if "example" in content:
                    schema = {**content["schema"], "components": document["components"]}
                    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
                    for error in validator.iter_errors(content["example"]):
                        sys.exit(f"{method} {url}: {error.message} at {error.instance_path}")
                    checked += 1
    print(f"{checked} examples fit their schemas")


if __name__ == "__main__":
    main(sys.argv[1])
