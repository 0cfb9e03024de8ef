"""Serves a model as AWS's open-source XGBoost container does: gunicorn, gevent workers, Flask, one DMatrix a request.

Written after the behaviour of `sagemaker-xgboost-container`: one model a worker, loaded after the fork, one prediction
thread; the delimiter is sniffed; scores are joined by commas; keep-alive for 60 s.
"""

import argparse
import csv

import flask
import gunicorn.app.base
import numpy
import xgboost

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True)
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--workers", type=int, required=True)
arguments = parser.parse_args()

app = flask.Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 6 * 1024 * 1024
booster = None


def load(_worker):
    global booster
    booster = xgboost.Booster()
    booster.load_model(arguments.model)
    booster.set_param("nthread", 1)


def matrix(text):
    lines = text.split("\n")
    delimiter = csv.Sniffer().sniff(lines[0][:512]).delimiter
    rows = [[cell if cell else "nan" for cell in line.split(delimiter)] for line in lines]
    return xgboost.DMatrix(numpy.array(rows).astype(float))


@app.route("/ping", methods=["GET"])
def ping():
    return flask.Response(status=200)


@app.route("/invocations", methods=["POST"])
def invocations():
    payload = flask.request.data
    if len(payload) == 0:
        return flask.Response(response="", status=204)
    try:
        rows = matrix(payload.strip().decode("utf-8"))
    except Exception as error:
        return flask.Response(response=str(error), status=415)
    try:
        scores = booster.predict(rows, validate_features=False)
    except Exception as error:
        return flask.Response(response=str(error), status=400)
    return flask.Response(response=",".join(map(str, scores.tolist())), status=200, mimetype="text/csv")


class Server(gunicorn.app.base.BaseApplication):
    def load_config(self):
        settings = {
            "bind": f"127.0.0.1:{arguments.port}",
            "workers": arguments.workers,
            "worker_class": "gevent",
            "keepalive": 60,
            "post_worker_init": load,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self):
        return app


Server().run()
