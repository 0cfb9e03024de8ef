"""Whether the local cloud refuses by name every member of a request that it does not offer.

    python members.py http://127.0.0.1:1

The environment gives key and secret. The members that are offered are those of the local cloud's own table. Each name
in it must be one of botocore's models, and every other member of an offered operation is sent alone: the local cloud
must answer 501 and name it.
"""

import datetime
import os
import pathlib
import sys

import boto3
from botocore.config import Config

TABLE = pathlib.Path(__file__).parents[2] / "crates/local-cloud/src/server/members/offered.txt"


def table():
    """By service and operation: words of the table as nested dictionaries. A leaf is the rule after the name."""
    services, service, operation = {}, None, None
    stack = []
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        for word in [] if line.startswith("#") else line.split():
            if word.startswith("["):
                service = services.setdefault(word[1:-1], {})
            elif word.endswith(":"):
                operation = service.setdefault(word[:-1], {})
                stack, last = [operation], None
            elif word == "{":
                stack[-1][last] = {}
                stack.append(stack[-1][last])
            elif word == "}":
                stack.pop()
            elif word != "*":
                last = word
                for mark in "!=":
                    head, found, values = word.partition(mark)
                    if found and head:
                        last = head
                        stack[-1][last] = (mark, values.split("|"))
                        break
                else:
                    stack[-1][last] = None
    return services


def inner(shape):
    """The structure behind lists and maps, and what wraps a value of it."""
    if shape.type_name == "list":
        structure, wrap = inner(shape.member)
        return structure, lambda value: [wrap(value)]
    if shape.type_name == "map":
        structure, wrap = inner(shape.value)
        return structure, lambda value: {"key": wrap(value)}
    return shape, lambda value: value


def sample(shape):
    """A value of a shape."""
    values = {
        "string": "x", "character": "x", "blob": b"x", "boolean": True, "integer": 1, "long": 1, "float": 1.5,
        "double": 1.5, "timestamp": datetime.datetime(2026, 1, 1),
    }
    structure, wrap = inner(shape)
    return wrap({} if structure.type_name == "structure" else values[structure.type_name])


def wire(name, member):
    """A member's name in the table."""
    location = member.serialization.get("location")
    mark = {"header": "@", "querystring": "?"}.get(location, "")
    return mark + member.serialization.get("name", name)


def unlisted(shape, offered):
    """Every value that must be refused, with the name that the refusal must have; and names that are none."""
    known, payload = set(), shape.serialization.get("payload")
    for name, member in shape.members.items():
        if member.serialization.get("location") == "uri" or name == payload:
            continue
        told = wire(name, member)
        known |= {told, "!" + told}
        if "!" + told in offered or told not in offered:
            yield {name: sample(member)}, told.lstrip("@?")
            continue
        rule, (structure, wrap) = offered[told], inner(member)
        if isinstance(rule, tuple):
            mark, values = rule
            refused = [wrap({"true": True}.get(value, value)) for value in values] if mark == "!" else [sample(member)]
            for value in refused:
                yield {name: value}, told
        elif structure.type_name == "structure":
            assert rule is not None, f"{told} is a structure"
            for value, missing in unlisted(structure, rule):
                yield {name: wrap(value)}, missing
    unknown = offered.keys() - known
    assert not unknown, f"{sorted(unknown)} are no members of {shape.name}"


def main():
    url, faults, count = sys.argv[1], [], 0
    for service, operations in table().items():
        config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
        client = boto3.client(service, "us-east-1", endpoint_url=url, config=config)
        methods = {operation: method for method, operation in client.meta.method_to_api_mapping.items()}
        for operation, offered in operations.items():
            shape = client.meta.service_model.operation_model(operation).input_shape
            path = {
                name: "x" for name, member in shape.members.items() if member.serialization.get("location") == "uri"
            }
            for members, name in unlisted(shape, offered):
                count += 1
                try:
                    getattr(client, methods[operation])(**{**path, **members})
                    told = "was taken"
                except client.exceptions.ClientError as error:
                    told = f"{error.response['ResponseMetadata']['HTTPStatusCode']} {error.response['Error']['Message']}"
                if not (told.startswith("501 the local cloud does not offer") and name.split(".")[-1] in told):
                    faults.append(f"{service}.{operation} {members}: {told}")
    print(f"{count} members and values are refused by name")
    print(*faults, sep="\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    main()
