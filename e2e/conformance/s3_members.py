"""Compares the list of S3's members with botocore's model: every member of every operation that the local cloud offers.

    python s3_members.py crates/local-cloud/src/service/s3/members.tsv
"""

import csv
import sys

from botocore.loaders import Loader
from botocore.model import ServiceModel


def members(shape, path="", seen=frozenset()):
    """Members of a structure, and of the structures within."""
    for name, member in shape.members.items():
        yield path + name, member
        inner = path + name
        while member.type_name == "list":
            member, inner = member.member, inner + "[]"
        if member.type_name == "structure" and member.name not in seen:
            yield from members(member, inner + ".", seen | {member.name})


def main():
    model = ServiceModel(Loader().load_service_model("s3", "service-2"), "s3")
    with open(sys.argv[1], encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    listed = {(row["operation"], row["member"]): row["wire"] for row in rows}
    modelled = {}
    for operation in {row["operation"] for row in rows}:
        shape = model.operation_model(operation).input_shape
        for path, member in members(shape):
            place = member.serialization.get("location", "body")
            modelled[operation, path] = f"{place}:{member.serialization.get('name', path.split('.')[-1])}"
    wrong = [f"not listed: {key}" for key in modelled.keys() - listed.keys()]
    wrong += [f"not in the model: {key}" for key in listed.keys() - modelled.keys()]
    wrong += [
        f"{key} is {modelled[key]} and not {listed[key]}"
        for key in modelled.keys() & listed.keys() if modelled[key] != listed[key]
    ]
    print(f"{len(modelled)} members of {len({operation for operation, _ in modelled})} operations")
    print(*sorted(wrong), sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
