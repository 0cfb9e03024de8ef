"""Loads a CSV file, trains on 80 % of its rows, judges on the rest, writes the model: the same work as our trainer's.

Everything is chosen to be quick: columns are read as float32, only those that are used; `QuantileDMatrix` is what
XGBoost recommends for `hist`; split and metric are a few lines of numpy, since importing scikit-learn takes longer.
"""

import argparse

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--reader", choices=["pandas", "pyarrow", "polars"], required=True)
parser.add_argument("--csv", required=True)
parser.add_argument("--features", required=True)
parser.add_argument("--label", required=True)
parser.add_argument("--trees", type=int, required=True)
parser.add_argument("--model", required=True)
arguments = parser.parse_args()
features, label = arguments.features.split(","), arguments.label
columns = features + [label]


def read():
    if arguments.reader == "pandas":
        import pandas

        frame = pandas.read_csv(arguments.csv, usecols=columns, dtype=np.float32)
        return frame[features].to_numpy(), frame[label].to_numpy()
    if arguments.reader == "pyarrow":
        import pyarrow
        from pyarrow import csv

        options = csv.ConvertOptions(
            include_columns=columns, column_types={name: pyarrow.float32() for name in columns}
        )
        table = csv.read_csv(arguments.csv, convert_options=options)
        values = np.empty((table.num_rows, len(features)), dtype=np.float32)
        for place, name in enumerate(features):
            values[:, place] = table.column(name).to_numpy()
        return values, table.column(label).to_numpy()
    import polars

    frame = polars.read_csv(
        arguments.csv, columns=columns, schema_overrides={name: polars.Float32 for name in columns}
    )
    return frame.select(features).to_numpy(), frame.get_column(label).to_numpy()


values, labels = read()

import xgboost

random = np.random.default_rng(42)
in_test = np.zeros(len(labels), dtype=bool)
for own in (0, 1):
    rows = np.flatnonzero(labels == own)
    in_test[random.permutation(rows)[: round(0.2 * len(rows))]] = True
test, test_labels = values[in_test], labels[in_test]
train, train_labels = values[~in_test], labels[~in_test]
del values, labels

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
booster = xgboost.train(parameters, xgboost.QuantileDMatrix(train, train_labels, nthread=2), arguments.trees)
scores = booster.inplace_predict(test)

order = np.argsort(-scores, kind="stable")
found = np.cumsum(test_labels[order])
last_of_score = np.append(np.diff(scores[order]) != 0, True)
precision = (found / np.arange(1, len(found) + 1))[last_of_score]
recall = (found / found[-1])[last_of_score]
print(float(np.sum(np.diff(recall, prepend=0) * precision)))
booster.save_model(arguments.model)
