//! Known causes: what a line of a container's log, or a reason of SageMaker's, usually means, and what helps.
//!
//! One table. What comes first is nearer to the root: a program that lacks a module also answers no ping.

/// A line that was recognized, and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recognized<'a> {
    pub(super) line: &'a str,
    pub(super) cause: &'static str,
    pub(super) advice: &'static str,
}

/// How a line is recognized.
#[derive(Debug)]
enum Sign {
    Has(&'static str),
    Both(&'static str, &'static str),
    Fits(fn(&str) -> bool),
}

#[derive(Debug)]
struct Known {
    signs: &'static [Sign],
    cause: &'static str,
    advice: &'static str,
}

/// The port on which SageMaker asks a container.
const PORT: &str = ":8080";

const KNOWN: [Known; 16] = [
    Known {
        signs: &[Sign::Has("exec format error")],
        cause: "the image is built for another processor than the machine has",
        advice: "take an image for the machine type's processor: most types are x86-64, those with a `g` behind the \
                 generation, such as `ml.c7g.large`, are Arm",
    },
    Known {
        signs: &[Sign::Both("serve", "executable file not found")],
        cause: "the image has no program `serve` that may be executed, which SageMaker starts",
        advice: "take an image that is made for SageMaker's inference, with `serve` executable and in its `PATH`",
    },
    Known {
        signs: &[Sign::Both("serve", "ermission denied")],
        cause: "the image's program `serve` may not be executed",
        advice: "make it executable in the image",
    },
    Known {
        signs: &[Sign::Has("ModuleNotFoundError: No module named"), Sign::Has("ImportError: No module named")],
        cause: "a Python module is missing in the image",
        advice: "take an image that has it, or leave out what needs it",
    },
    Known {
        signs: &[Sign::Has("cannot open shared object file")],
        cause: "a system library is missing in the image",
        advice: "take an image that has it",
    },
    Known {
        signs: &[
            Sign::Has("CUDA driver version is insufficient"),
            Sign::Has("no CUDA-capable device is detected"),
            Sign::Has("Found no NVIDIA driver"),
            Sign::Has("nvidia-container-cli"),
        ],
        cause: "the container wants a GPU, and the machine has none or an older driver",
        advice: "take a machine type with a GPU, such as `ml.g5.xlarge`, or an image without CUDA",
    },
    Known {
        signs: &[
            Sign::Has("MemoryError"),
            Sign::Has("std::bad_alloc"),
            Sign::Has("annot allocate memory"),
            Sign::Has("Perhaps out of memory?"),
            Sign::Has("was terminated due to signal 9"),
            Sign::Has("was sent SIGKILL"),
            Sign::Has("OOMKilled"),
            Sign::Fits(|line| line.trim() == "Killed" || line.ends_with(" Killed")),
        ],
        cause: "the machine ran out of memory",
        advice: "take a machine type with more memory, or for serverless more `memory-mb`",
    },
    Known {
        signs: &[
            Sign::Has("Check failed: mparam_.num_feature"),
            Sign::Has("input stream corrupted"),
            Sign::Has("wrong model format"),
            Sign::Has("Unknown model format"),
            Sign::Has("Invalid Parameter format for"),
            Sign::Has("could not load model file"),
        ],
        cause: "the image's XGBoost cannot read the model: it was saved by another release, or in another format",
        advice: "take the `container` whose release saved the model, or save the model as UBJSON by that release",
    },
    Known {
        signs: &[
            Sign::Both("FileNotFoundError", "/opt/ml/model"),
            Sign::Both("No such file or directory", "/opt/ml/model"),
            Sign::Has("holds no model file"),
            Sign::Has("get_loaded_booster"),
            Sign::Has("ensembles are not supported"),
        ],
        cause: "the archive does not hold the one model that the image looks for",
        advice: "the prebuilt image wants one file, `xgboost-model`, at the top of the archive",
    },
    Known {
        signs: &[
            Sign::Has("feature_names mismatch"),
            Sign::Has("Feature shape mismatch"),
            Sign::Has("Number of columns does not match number of features"),
        ],
        cause: "requests have other features than the model was trained with",
        advice: "train again with the features that are sent, in their order",
    },
    Known {
        signs: &[
            Sign::Has("Address already in use"),
            Sign::Has("address already in use"),
            Sign::Has("Address in use"),
            Sign::Has("address in use"),
        ],
        cause: "another program in the container already listens on the port",
        advice: "start one server alone, on port 8080",
    },
    Known {
        signs: &[Sign::Fits(listens_elsewhere)],
        cause: "the server listens where SageMaker does not ask",
        advice: "let it listen on 0.0.0.0, port 8080",
    },
    Known {
        signs: &[Sign::Has("WORKER TIMEOUT")],
        cause: "loading the model takes longer than the server allows its workers",
        advice: "take a faster machine type, or give the server more time and `startup-timeout-s` as well",
    },
    Known {
        signs: &[Sign::Fits(ping_refused), Sign::Has("connect() to unix:/tmp/gunicorn.sock failed")],
        cause: "the server runs, and what should answer `GET /ping` behind it does not",
        advice: "look further up in the log for why the model was not loaded",
    },
    Known {
        signs: &[
            Sign::Has("InsufficientInstanceCapacity"),
            Sign::Has("Unable to provision requested ML compute capacity"),
        ],
        cause: "AWS has not enough machines of that type free",
        advice: "apply again later, or take another machine type or Region",
    },
    Known {
        signs: &[Sign::Has("did not pass the ping health check")],
        cause: "the container did not answer `GET /ping` on port 8080 with 200 in time",
        advice: "look at its log; a model that takes long to load needs `startup-timeout-s`",
    },
];

/// The nearest to the root of what the lines are known to mean; the last line that means it.
pub(super) fn recognize<'a>(lines: &[&'a str]) -> Option<Recognized<'a>> {
    KNOWN.iter().find_map(|known| {
        let line = lines.iter().rev().find(|line| known.signs.iter().any(|sign| sign.is_on(line)))?;
        Some(Recognized { line, cause: known.cause, advice: known.advice })
    })
}

impl Sign {
    fn is_on(&self, line: &str) -> bool {
        match self {
            Self::Has(part) => line.contains(part),
            Self::Both(one, other) => line.contains(one) && line.contains(other),
            Self::Fits(fits) => fits(line),
        }
    }
}

/// Servers that say where they listen: gunicorn, Flask and uvicorn.
fn listens_elsewhere(line: &str) -> bool {
    let says = ["Listening at: http://", "Running on http://", "running on http://"];
    let place = says.iter().find_map(|words| Some(line.split_once(words)?.1));
    place.is_some_and(|place| {
        let place = place.split([' ', '(', ',']).next().unwrap_or_default();
        !place.contains(PORT) || place.starts_with("127.0.0.1") || place.starts_with("localhost")
    })
}

/// A line of an access log: `"GET /ping HTTP/1.1" 400`.
fn ping_refused(line: &str) -> bool {
    let answer = line.split_once("GET /ping").and_then(|(_, rest)| rest.split_once("\" "));
    answer.is_some_and(|(_, status)| status.starts_with('4') || status.starts_with('5'))
}

#[cfg(test)]
mod tests;
