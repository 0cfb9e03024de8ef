"""Scores a row file with a model file: all rows at once, in the ways that XGBoost has, then one row at a time."""

import argparse
import json
import time

import numpy as np
import xgboost
from rows import read

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True)
parser.add_argument("--rows", required=True)
parser.add_argument("--scores", required=True)
parser.add_argument("--rounds", type=int, required=True)
parser.add_argument("--singles", type=int, required=True)
arguments = parser.parse_args()

values, _ = read(arguments.rows)
booster = xgboost.Booster(model_file=arguments.model)


def predict(rows):
    return booster.predict(rows, validate_features=False)


def repeated(work):
    times = []
    for _ in range(arguments.rounds):
        began = time.perf_counter()
        scores = work()
        times.append(time.perf_counter() - began)
    return times, scores


def singles(work):
    times = []
    for row in range(arguments.singles):
        one = values[row % len(values)].reshape(1, -1)
        began = time.perf_counter_ns()
        work(one)
        times.append(time.perf_counter_ns() - began)
    return times


result = {}
for threads in (1, 2):
    booster.set_param("nthread", threads)
    result[f"inplace_{threads}"], scores = repeated(lambda: booster.inplace_predict(values, validate_features=False))
    result[f"dmatrix_{threads}"], _ = repeated(lambda: predict(xgboost.DMatrix(values, nthread=threads)))
booster.set_param("nthread", 1)
result["single_inplace_ns"] = singles(lambda row: booster.inplace_predict(row, validate_features=False))
result["single_dmatrix_ns"] = singles(lambda row: predict(xgboost.DMatrix(row, nthread=1)))
scores.astype("<f4").tofile(arguments.scores)
print(json.dumps(result))
