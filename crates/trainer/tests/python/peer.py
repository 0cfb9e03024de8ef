"""Trains and scores with one release of XGBoost, for the test beside it.

    peer.py train DATA MODELS      from train.f32 and labels.f32: models of every kind, each as JSON and as UBJSON
    peer.py score DATA MODELS OUT  every model that is JSON or a packed archive, on rows.f32

All numbers are little-endian f32, row after row; names.json holds the features' names. For each model FILE there are
then FILE.margins, FILE.scores, FILE.container (scores as AWS's container asks for them) and FILE.contributions (of the
first rows only, since the longest models take milliseconds a row).
"""

import json
import os
import sys
import tarfile
import tempfile
import warnings

import numpy
import xgboost

EXPLAINED_ROWS = 100
TEST_ROWS_TO_STOP_BY = 500

BASE = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "max_depth": 4,
    "eta": 0.3,
    "nthread": 1,
    "seed": 7,
    "verbosity": 0,
}

# Name: rounds, and what differs from BASE.
KINDS = {
    "trees-1": (1, {}),
    "trees-10": (10, {}),
    "trees-100": (100, {"max_depth": 6}),
    "trees-1000": (1000, {"eta": 0.02}),
    "base-score-set": (10, {"base_score": 0.2}),
    "exact": (10, {"tree_method": "exact"}),
    "approx": (10, {"tree_method": "approx"}),
    "lossguide": (10, {"grow_policy": "lossguide", "max_leaves": 40, "max_depth": 0}),
    "forest": (3, {"num_parallel_tree": 5, "subsample": 0.7, "colsample_bynode": 0.7}),
    "pruned": (10, {"gamma": 5.0, "tree_method": "exact"}),
    "stumps-of-nothing": (3, {"gamma": 1e9}),
    "deep": (5, {"max_depth": 16, "min_child_weight": 0.0, "lambda": 0.1}),
    "weighted": (10, {"scale_pos_weight": 20.0}),
    "reg-logistic": (10, {"objective": "reg:logistic"}),
    "raw": (10, {"objective": "binary:logitraw"}),
    "raw-base-score-set": (10, {"objective": "binary:logitraw", "base_score": 0.2}),
    "squared-error": (10, {"objective": "reg:squarederror"}),
    "linear": (20, {"booster": "gblinear", "updater": "coord_descent", "tree_method": None, "max_depth": None}),
    "linear-base-score-set": (
        20,
        {"booster": "gblinear", "updater": "coord_descent", "tree_method": None, "max_depth": None, "base_score": 0.2},
    ),
    "categorical": (5, {}),
    "dart": (5, {"booster": "dart"}),
    "softprob": (5, {"objective": "multi:softprob", "num_class": 2}),
    "ranking": (5, {"objective": "rank:pairwise"}),
}


def floats(folder, name, width=None):
    values = numpy.fromfile(os.path.join(folder, name), dtype="<f4")
    return values if width is None else values.reshape(-1, width)


def matrix(values, names, labels=None, categories=False):
    kinds = ["c"] + ["q"] * (len(names) - 1) if categories else None
    extra = {"enable_categorical": True, "feature_types": kinds} if categories else {}
    return xgboost.DMatrix(values, label=labels, missing=numpy.nan, feature_names=names, **extra)


def names_in(folder):
    with open(os.path.join(folder, "names.json"), encoding="utf-8") as file:
        return json.load(file)


def train(data_folder, folder):
    names = names_in(data_folder)
    rows, labels = floats(data_folder, "train.f32", len(names)), floats(data_folder, "labels.f32")
    data = matrix(rows, names, labels)
    for name, (rounds, differs) in KINDS.items():
        parameters = {key: value for key, value in {**BASE, **differs}.items() if value is not None}
        if name == "categorical":
            of_categories = rows.copy()
            of_categories[:, 0] = numpy.abs(numpy.nan_to_num(of_categories[:, 0]) * 3).astype(int) % 6
            booster = xgboost.train(parameters, matrix(of_categories, names, labels, categories=True), rounds)
        else:
            booster = xgboost.train(parameters, data, rounds)
        save(booster, folder, name)
    end = len(rows) - TEST_ROWS_TO_STOP_BY
    booster = xgboost.train(
        {**BASE, "eta": 1.0, "max_depth": 6},
        matrix(rows[:end], names, labels[:end]),
        200,
        evals=[(matrix(rows[end:], names, labels[end:]), "validation")],
        early_stopping_rounds=10,
        verbose_eval=False,
    )
    save(booster, folder, "stopped-early")
    without_names = xgboost.train(BASE, xgboost.DMatrix(rows, label=labels, missing=numpy.nan), 10)
    save(without_names, folder, "without-names")


def save(booster, folder, name):
    for form in ("json", "ubj"):
        booster.save_model(os.path.join(folder, f"{name}.{form}"))


def score(data_folder, folder, out):
    names = names_in(data_folder)
    rows = floats(data_folder, "rows.f32", len(names))
    for name in sorted(os.listdir(folder)):
        if name.endswith((".json", ".tar.gz")):
            score_file(folder, name, rows, names, out)


def score_file(folder, name, rows, names, out):
    booster = load(os.path.join(folder, name))
    names = names if booster.feature_names else None
    data = xgboost.DMatrix(rows, missing=numpy.nan, feature_names=names)
    some = xgboost.DMatrix(rows[:EXPLAINED_ROWS], missing=numpy.nan, feature_names=names)
    results = {
        "margins": booster.predict(data, output_margin=True),
        "scores": booster.predict(data),
        "container": as_the_container_does(booster, data),
        "contributions": contributions(booster, some),
    }
    for what, values in results.items():
        values.astype("<f4").tofile(os.path.join(out, f"{name}.{what}"))


def contributions(booster, rows):
    """Adds up those of a hundred trees each: the sums of a thousand, in f32, are up to 2e-5 off the model's own margin."""
    whole = booster.predict(rows, pred_contribs=True)
    rounds = booster.num_boosted_rounds()
    if rounds <= 100:
        return whole
    slices = (booster[start : min(start + 100, rounds)] for start in range(0, rounds, 100))
    parts = sum(slice.predict(rows, pred_contribs=True).astype("f8") for slice in slices)
    # Every slice has the base score in its bias.
    return numpy.column_stack([parts[:, :-1], whole[:, -1]])


def as_the_container_does(booster, data):
    """Asks for scores in the words of sagemaker-xgboost-container, whose releases have XGBoost 1.7 and, since, 3.0."""
    if xgboost.__version__.startswith("1."):
        return booster.predict(data, ntree_limit=getattr(booster, "best_ntree_limit", 0), validate_features=False)
    return booster.predict(data, validate_features=False)


def load(path):
    booster = xgboost.Booster()
    if not path.endswith(".tar.gz"):
        booster.load_model(path)
        return booster
    with tarfile.open(path) as archive, tempfile.TemporaryDirectory() as folder:
        assert archive.getnames() == ["xgboost-model"], archive.getnames()
        archive.extractall(folder)
        booster.load_model(os.path.join(folder, "xgboost-model"))
    return booster


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    {"train": train, "score": score}[sys.argv[1]](*sys.argv[2:])
