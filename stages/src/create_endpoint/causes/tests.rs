use super::*;

/// A container's log, and what it is to mean. Lines as people met them, from public issues of the images' projects.
const MET: [(&str, &str); 24] = [
    ("standard_init_linux.go:219: exec user process caused: exec format error", "another processor"),
    (
        "docker: Error response from daemon: OCI runtime create failed: container_linux.go:348: starting container \
         process caused \"exec: \\\"serve\\\": executable file not found in $PATH\": unknown.",
        "no program `serve`",
    ),
    ("exec /opt/program/serve: permission denied", "may not be executed"),
    (
        "[2020-03-02 10:17:17 +0000] [10] [ERROR] Exception in worker process\n\
         ModuleNotFoundError: No module named 'sagemaker_xgboost_container'\n\
         [2020-03-02 10:17:17 +0000] [10] [INFO] Worker exiting (pid: 10)",
        "a Python module is missing",
    ),
    ("ImportError: libGL.so.1: cannot open shared object file: No such file or directory", "a system library"),
    ("RuntimeError: Found no NVIDIA driver on your system.", "wants a GPU"),
    ("[2021-01-05 09:00:01 +0000] [24] [ERROR] Worker (pid:2977) was sent SIGKILL! Perhaps out of memory?", "memory"),
    ("[WARNING] Worker with pid 14 was terminated due to signal 9", "memory"),
    ("MemoryError: Unable to allocate 7.45 GiB for an array", "memory"),
    ("/usr/bin/serve: line 4:    17 Killed", "memory"),
    ("xgboost.core.XGBoostError: [09:41:11] Check failed: mparam_.num_feature != 0 (0 vs. 0)", "cannot read the model"),
    ("xgboost.core.XGBoostError: [12:00:00] ../src/common/io.h:187: input stream corrupted", "cannot read the model"),
    (
        "xgboost.core.XGBoostError: Invalid Parameter format for base_score expect float but value='[5E-1]'",
        "cannot read the model",
    ),
    (
        "  File \"/miniconda3/lib/python3.8/site-packages/sagemaker_xgboost_container/algorithm_mode/serve_utils.py\", \
         line 174, in get_loaded_booster\n\
         IndexError: list index out of range",
        "does not hold the one model",
    ),
    (
        "FileNotFoundError: [Errno 2] No such file or directory: '/opt/ml/model/xgboost-model'",
        "does not hold the one model",
    ),
    ("ValueError: feature_names mismatch: ['f0', 'f1'] ['a', 'b']", "other features"),
    ("OSError: [Errno 98] Address already in use", "already listens"),
    ("[2022-01-01 00:00:00 +0000] [7] [INFO] Listening at: http://127.0.0.1:8000 (7)", "does not ask"),
    (" * Running on http://127.0.0.1:5000/ (Press CTRL+C to quit)", "does not ask"),
    ("INFO:     Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)", "does not ask"),
    ("[2021-05-05 10:10:10 +0000] [28] [CRITICAL] WORKER TIMEOUT (pid:29)", "longer than the server allows"),
    ("10.32.0.2 - - [05/Jan/2021:12:00:00 +0000] \"GET /ping HTTP/1.1\" 400 0 \"-\" \"AHC/2.0\"", "GET /ping"),
    (
        "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error.",
        "not enough machines",
    ),
    (
        "The primary container for production variant main did not pass the ping health check. Please check CloudWatch \
         logs for this endpoint.",
        "did not answer `GET /ping`",
    ),
];

/// Lines of containers that are well.
const WELL: [&str; 5] = [
    "[2022-01-01 00:00:00 +0000] [7] [INFO] Listening at: http://0.0.0.0:8080 (7)",
    "[2022-01-01 00:00:00 +0000] [7] [INFO] Listening at: unix:/tmp/gunicorn.sock (7)",
    "10.32.0.2 - - [05/Jan/2021:12:00:00 +0000] \"GET /ping HTTP/1.1\" 200 0 \"-\" \"AHC/2.0\"",
    "INFO serving 1 model, memory 512 MB",
    "10.32.0.2 - - \"POST /invocations HTTP/1.1\" 404 0",
];

#[test]
fn what_people_met_is_recognized() {
    for (log, meaning) in MET {
        let recognized = recognize(&lines(log)).unwrap_or_else(|| panic!("nothing is known of: {log}"));
        assert!(recognized.cause.contains(meaning), "{log}\nshould mean `{meaning}` and means `{}`", recognized.cause);
        assert!(log.contains(recognized.line));
    }
}

#[test]
fn a_healthy_log_means_nothing() {
    for line in WELL {
        assert_eq!(recognize(&[line]), None, "{line}");
    }
}

#[test]
fn every_row_is_met() {
    for known in &KNOWN {
        let met = MET.iter().any(|(log, _)| recognize(&lines(log)).is_some_and(|it| it.cause == known.cause));
        assert!(met, "no line shows: {}", known.cause);
    }
}

#[test]
fn the_root_is_named_and_not_what_follows_from_it() {
    let log = [
        "The primary container for production variant main did not pass the ping health check.",
        "\"GET /ping HTTP/1.1\" 502",
        "ModuleNotFoundError: No module named 'old'",
        "ModuleNotFoundError: No module named 'new'",
        "[CRITICAL] WORKER TIMEOUT (pid:29)",
    ];
    let recognized = recognize(&log).unwrap();
    assert_eq!(recognized.line, "ModuleNotFoundError: No module named 'new'", "the last of its kind");
}

fn lines(log: &str) -> Vec<&str> {
    log.lines().collect()
}
