"""Compares servers that speak AWS's protocols, call by call.

    python main.py local=http://127.0.0.1:1 moto=http://127.0.0.1:2 … [--case PREFIX] [--show] [--accept]

A URL may end with `@REGION`. The first server is ours. A difference between it and another one must stand in `deviations.yaml`, with the other's
answer and with why ours is another; one that stands there must still be one. Where `aws-errors.tsv` says what AWS
answers, ours must answer that.

The environment gives key and secret. `--show` prints every answer, `--accept` prints what `deviations.yaml` lacks.
"""

import argparse
import csv
import importlib
import os
import pathlib
import re
import sys
import threading
import time
import traceback

import yaml
from script import Script, Server

HERE = pathlib.Path(__file__).parent
SERVICES = ["sts", "iam", "s3", "ecr", "logs", "awslambda", "apigateway", "sagemaker"]
# What a row says of messages that nobody has seen.
UNKNOWN = re.compile(r"\(.*(free text|unverified|prefix|contains).*\)")


def cases(prefix):
    """Every case: `service/name`, and the function that makes its calls."""
    for service in SERVICES:
        module = importlib.import_module(f"cases.{service}")
        for name, function in vars(module).items():
            if callable(function) and getattr(function, "__module__", "") == module.__name__ and name[0] != "_":
                case = f"{service.removeprefix('aws')}/{name.replace('_', '-')}"
                if case.startswith(prefix):
                    yield case, function


def run(server, chosen, answers, rows, faults, ours):
    """Makes all calls of a server, one after the other."""
    for case, function in chosen:
        script = Script(server, case, ours)
        try:
            function(script)
        except Exception:
            faults.append(f"{server.name}: {case} broke off:\n{traceback.format_exc()}")
        answers.update({f"{case}: {step}": answer for step, answer in script.answers.items()})
        rows.update({f"{case}: {step}": row for step, row in script.rows.items()})


def table():
    """What AWS answers, by service, operation and situation."""
    with open(HERE.parent / "aws-errors.tsv", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {(row["service"], row["operation"], row["situation"]): row for row in rows}


def expected(row):
    """What an answer must match, that AWS answers by this row."""
    status, code, message = row["status"], row["code"], row["message"]
    if status.startswith("2"):
        words = "" if message.startswith("(") else re.escape(message)
        return re.compile(f"{status}.*{words}.*", re.DOTALL)
    # The status of a HEAD is all there is.
    if code.isdigit():
        return re.compile(f"{status} {code}: .*")
    words = ".*" if UNKNOWN.search(message) else re.sub(r"\\\{\w+\\\}", ".+", re.escape(message)).replace("4xx", r"4\d\d")
    return re.compile(f"{status} {code}: {words}", re.DOTALL)


def compare(ours, theirs, listed, whole):
    """Differences that are not listed, and listed ones that are none."""
    wrong, seen = [], set()
    without = {prefix for entry in listed for prefix in entry.get("without", [])}
    answers = {step: answer for entry in listed for step, answer in entry.get("answers", {}).items()}
    for step in ours.keys() | theirs.keys():
        our, their = ours.get(step, "(not asked)"), theirs.get(step, "(not asked)")
        missing = [prefix for prefix in without if step.startswith(prefix)]
        if our == their:
            continue
        if missing:
            seen.update(missing)
        elif step not in answers:
            wrong.append((step, our, their, "is not listed"))
        else:
            seen.add(step)
            # More than one where it hangs on the moment.
            wanted = answers[step] if isinstance(answers[step], list) else [answers[step]]
            if their not in wanted:
                wrong.append((step, our, their, f"is listed as `{'`, `'.join(wanted)}`"))
    for stale in (answers.keys() | without) - seen:
        if whole or any(step.startswith(stale) for step in ours):
            wrong.append((stale, ours.get(stale, "-"), theirs.get(stale, "-"), "is listed, and there is no difference"))
    return sorted(wrong)


def judge(ours, rows):
    """Where our answers are not AWS's."""
    known, wrong = table(), []
    for step, key in rows.items():
        if key not in known:
            wrong.append(f"{step}: `aws-errors.tsv` has no row {key}")
        elif not expected(known[key]).fullmatch(ours.get(step, "")):
            wrong.append(f"{step}:\n  AWS   {expected(known[key]).pattern}\n  local {ours.get(step)}")
    return sorted(wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("servers", nargs="+", metavar="NAME=URL")
    parser.add_argument("--case", default="", metavar="PREFIX")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--accept", action="store_true")
    arguments = parser.parse_args()
    key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    servers = [Server(*server.split("=", 1), key, secret) for server in arguments.servers]
    chosen = list(cases(arguments.case))

    began, faults, rows = time.monotonic(), [], {}
    answers = {server.name: {} for server in servers}
    threads = [
        threading.Thread(target=run, args=(server, chosen, answers[server.name], rows if at == 0 else {}, faults, at == 0))
        for at, server in enumerate(servers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with open(HERE / "deviations.yaml", encoding="utf-8") as file:
        deviations = yaml.safe_load(file)
    ours = answers[servers[0].name]
    if arguments.show:
        for step in ours:
            print(step, *(f"  {name:<10} {answers[name].get(step, '(not asked)')}" for name in answers), sep="\n")
    wrong = judge(ours, rows)
    print(f"{len(chosen)} cases, {len(ours)} steps, {len(rows)} of them told by AWS, in {time.monotonic() - began:.1f} s")
    for server in servers[1:]:
        listed = deviations[server.name]
        found = compare(ours, answers[server.name], listed, not arguments.case)
        alike = sum(ours[step] == answers[server.name].get(step) for step in ours)
        print(f"{server.name}: {alike} of {len(ours)} steps alike")
        if arguments.accept:
            lines = {step: their for step, _, their, why in found if "no difference" not in why}
            print(yaml.safe_dump({server.name: [{"why": "", "answers": lines}]}, width=1000, allow_unicode=True))
        wrong += [f"{step}: {why}\n  local {our}\n  {server.name} {their}" for step, our, their, why in found]
    for words in faults + wrong:
        print("\n" + words)
    sys.exit(bool(faults or wrong))


if __name__ == "__main__":
    main()
