"""Trains models that stop early, and scores files as others do, with one release of XGBoost.

    stopped_early.py train DATA OUT    models of train.f32 and labels.f32; KIND.expected has what `predict_proba` of the
                                       classifier that was trained says of rows.f32
    stopped_early.py score DATA FILES  for each file FILE without an ending: FILE.VERSION.container, .booster, .wrapper

Each model is saved by the wrapper, by its Booster, and by the wrapper after it went through joblib. Numbers are
little-endian f32.
"""

import inspect
import io
import os
import pickle
import sys
import warnings

import joblib
import numpy
import xgboost

WIDTH = 8
WATCHED_ROWS = 600
KINDS = {
    "gbtree": {},
    "forest": {"num_parallel_tree": 4, "subsample": 0.7, "colsample_bynode": 0.7},
    "linear": {"booster": "gblinear", "tree_method": None, "max_depth": None},
    "dart": {"booster": "dart", "n_estimators": 30},
}
VERSION = tuple(int(part) for part in xgboost.__version__.split(".")[:2])


def floats(folder, name, width=None):
    values = numpy.fromfile(os.path.join(folder, name), dtype="<f4")
    return values if width is None else values.reshape(-1, width)


def fitted(rows, labels, differs):
    end = len(rows) - WATCHED_ROWS
    options = {"n_estimators": 150, "max_depth": 5, "learning_rate": 0.5, "tree_method": "hist"}
    options.update(objective="binary:logistic", n_jobs=1, random_state=7)
    options.update(differs)
    fit = {"eval_set": [(rows[end:], labels[end:])], "verbose": False}
    stop = {"early_stopping_rounds": 8, "eval_metric": "logloss"}
    (options if VERSION >= (1, 6) else fit).update(stop)
    if VERSION < (1, 6):
        options["use_label_encoder"] = False
    return xgboost.XGBClassifier(**options).fit(rows[:end], labels[:end], **fit)


def train(data, out):
    rows, labels = floats(data, "train.f32", WIDTH), floats(data, "labels.f32").astype(int)
    for kind, differs in KINDS.items():
        model = fitted(rows, labels, differs)
        model.predict_proba(floats(data, "rows.f32", WIDTH))[:, 1].astype("<f4").tofile(f"{out}/{kind}.expected")
        through = io.BytesIO()
        joblib.dump(model, through)
        through.seek(0)
        for form in ["json", "ubj"] if VERSION >= (1, 6) else ["json"]:
            model.save_model(f"{out}/{kind}-wrapper.{form}")
            model.get_booster().save_model(f"{out}/{kind}-booster.{form}")
            through.seek(0)
            joblib.load(through).save_model(f"{out}/{kind}-joblib.{form}")


def score(data, folder):
    rows = floats(data, "rows.f32", WIDTH)
    for name in sorted(os.listdir(folder)):
        if "." in name:
            continue
        path = os.path.join(folder, name)
        booster = loaded(path)
        classifier = xgboost.XGBClassifier(booster="gblinear" if name.startswith("linear") else "gbtree")
        classifier.load_model(path)
        answers = {
            "container": as_the_container_does(booster, xgboost.DMatrix(rows)),
            "booster": booster.predict(xgboost.DMatrix(rows)),
            "wrapper": classifier.predict_proba(rows)[:, 1],
        }
        for what, values in answers.items():
            values.astype("<f4").tofile(f"{path}.{xgboost.__version__}.{what}")


def loaded(path):
    """Loads a file as the container does: as a pickled object first, then as a model."""
    try:
        with open(path, "rb") as file:
            return pickle.load(file)
    except Exception:
        booster = xgboost.Booster()
        booster.load_model(path)
        return booster


def as_the_container_does(booster, data):
    """Asks for scores as sagemaker-xgboost-container does, whatever release it has."""
    limit = int(getattr(booster, "best_ntree_limit", 0))
    if "ntree_limit" in inspect.signature(booster.predict).parameters:
        return booster.predict(data, ntree_limit=limit, validate_features=False)
    if limit > 0:
        return booster.predict(data, iteration_range=(0, limit), validate_features=False)
    return booster.predict(data, validate_features=False)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    {"train": train, "score": score}[sys.argv[1]](*sys.argv[2:])
