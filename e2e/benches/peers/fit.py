"""Trains on row files and writes the scores of another one; prints how long that took, reading left out."""

import argparse
import json
import time

import xgboost
from rows import read, read_all

parser = argparse.ArgumentParser()
parser.add_argument("--train", nargs="+", required=True)
parser.add_argument("--test", required=True)
parser.add_argument("--trees", type=int, required=True)
parser.add_argument("--scores", required=True)
arguments = parser.parse_args()

train, labels = read_all(arguments.train)
test, _ = read(arguments.test)
began = time.perf_counter()
parameters = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "nthread": 2,
    "eta": 0.3,
    "max_depth": 6,
    "lambda": 1.0,
    "min_child_weight": 1.0,
    "base_score": 0.5,
}
booster = xgboost.train(parameters, xgboost.QuantileDMatrix(train, labels, nthread=2), arguments.trees)
scores = booster.inplace_predict(test)
fit_s = time.perf_counter() - began
scores.astype("<f4").tofile(arguments.scores)
print(json.dumps({"fit_s": fit_s}))
