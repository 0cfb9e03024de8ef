//! The service through its front door.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, Method};
use serde_json::{Value, json};

use crate::Cloud;

use super::fixture::{ECHO, File, Fixture, archive, call, creation, echo, shown};
use super::handle;

#[tokio::test]
async fn a_function_answers_and_its_process_is_kept() {
    let fixture = Fixture::new().await;
    fixture.create("echo", &echo()).await;
    let first = fixture.invoke("echo", r#"{"a":[1,2]}"#).await.unwrap();
    assert_eq!(first["echo"], json!({ "a": [1, 2] }));
    let second = fixture.invoke("echo", r#"{"b":"x"}"#).await.unwrap();
    assert_eq!((&second["echo"], &second["pid"]), (&json!({ "b": "x" }), &first["pid"]));
    fixture.cloud.shut_down().await;
    let pid = &first["pid"];
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "process {pid} outlived the cloud");
}

#[tokio::test]
async fn two_invocations_at_once_have_two_processes() {
    let fixture = Fixture::new().await;
    fixture.create("echo", &echo()).await;
    let (one, two) = tokio::join!(fixture.invoke("echo", "1"), fixture.invoke("echo", "2"));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((&one["echo"], &two["echo"]), (&json!(1), &json!(2)));
    assert_ne!(one["pid"], two["pid"]);
    fixture
        .send(Method::PUT, "/2017-10-31/functions/echo/concurrency", json!({ "ReservedConcurrentExecutions": 0 }))
        .await
        .unwrap();
    let refused = super::run(&fixture.cloud, "echo", Bytes::from_static(b"1")).await.unwrap_err();
    assert_eq!(shown(&refused), "429 TooManyRequestsException Rate Exceeded.");
    fixture.cloud.shut_down().await;
}

#[tokio::test]
async fn the_environment_is_lambdas_and_nothing_else() {
    let fixture = Fixture::new().await;
    let mut given = creation("echo", &echo());
    given["Environment"] = json!({ "Variables": { "ENDPOINT_NAME": "fraud" } });
    fixture.send(Method::POST, "/2015-03-31/functions", given).await.unwrap();
    let answer = fixture.invoke("echo", r#"{"env":1}"#).await.unwrap();
    let names: Vec<&str> = answer["echo"].as_str().unwrap().split_whitespace().collect();
    // The last three are the shell's own.
    let names: Vec<&str> = names.into_iter().filter(|name| !["PWD", "SHLVL", "_"].contains(name)).collect();
    insta::assert_snapshot!(names.join("\n"), @"
    AWS_ACCESS_KEY_ID
    AWS_DEFAULT_REGION
    AWS_EC2_METADATA_DISABLED
    AWS_ENDPOINT_URL
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE
    AWS_LAMBDA_FUNCTION_NAME
    AWS_LAMBDA_FUNCTION_VERSION
    AWS_LAMBDA_INITIALIZATION_TYPE
    AWS_LAMBDA_LOG_GROUP_NAME
    AWS_LAMBDA_LOG_STREAM_NAME
    AWS_LAMBDA_RUNTIME_API
    AWS_REGION
    AWS_SECRET_ACCESS_KEY
    AWS_SESSION_TOKEN
    ENDPOINT_NAME
    LAMBDA_RUNTIME_DIR
    LAMBDA_TASK_ROOT
    LANG
    PATH
    TZ
    _HANDLER
    ");
    fixture.cloud.shut_down().await;
}

#[tokio::test]
async fn what_ends_a_process_is_told_and_a_new_one_serves() {
    let fixture = Fixture::new().await;
    let mut given = creation("echo", &echo());
    given["Timeout"] = json!(1);
    fixture.send(Method::POST, "/2015-03-31/functions", given).await.unwrap();
    let without_id = |document: &Value| {
        let message = document["errorMessage"].as_str().unwrap();
        let (_, rest) = message.strip_prefix("RequestId: ").unwrap().split_once(' ').unwrap();
        format!("{} {rest}", document["errorType"].as_str().unwrap())
    };
    let before = fixture.invoke("echo", "1").await.unwrap();
    let crashed = fixture.invoke("echo", r#""crash""#).await.unwrap_err();
    assert_eq!(without_id(&crashed), "Runtime.ExitError Error: Runtime exited with error: exit status 7");
    let between = fixture.invoke("echo", "1").await.unwrap();
    assert_ne!(before["pid"], between["pid"]);
    let hung = fixture.invoke("echo", r#""hang""#).await.unwrap_err();
    assert_eq!(without_id(&hung), "Sandbox.Timedout Error: Task timed out after 1.00 seconds");
    let after = fixture.invoke("echo", r#""leave""#).await.unwrap();
    // That one left by itself after its answer; nobody should notice.
    let last = fixture.invoke("echo", "2").await.unwrap();
    assert_eq!(last["echo"], json!(2));
    assert_ne!(after["pid"], last["pid"]);
    fixture.cloud.shut_down().await;
}

#[tokio::test]
async fn what_cannot_run_is_an_invalid_entry_point() {
    let fixture = Fixture::new().await;
    let machine: u8 = if cfg!(target_arch = "x86_64") { 183 } else { 62 };
    let foreign = format!("\x7fELF{}{}\0rest", "\0".repeat(14), char::from(machine.min(127)));
    let cases: [(&str, &[File<'_>], &str); 5] = [
        ("absent", &[("other", 0o755, ECHO)], "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
        ("plain", &[("bootstrap", 0o644, ECHO)], "fork/exec /var/task/bootstrap: permission denied"),
        ("foreign", &[("bootstrap", 0o755, &foreign)], "fork/exec /var/task/bootstrap: exec format error"),
        ("text", &[("bootstrap", 0o755, "echo hello")], "fork/exec /var/task/bootstrap: exec format error"),
        ("shell", &[("bootstrap", 0o755, "#!/no/such\n")], "fork/exec /var/task/bootstrap: no such file or directory"),
    ];
    for (name, files, expected) in cases {
        fixture.create(name, files).await;
        let document = fixture.invoke(name, "{}").await.unwrap_err();
        assert_eq!(document["errorType"], "Runtime.InvalidEntrypoint", "{name}");
        let message = document["errorMessage"].as_str().unwrap();
        assert!(message.ends_with(&format!(" Error: {expected}")), "{name}: {message}");
    }
}

#[tokio::test]
async fn an_update_replaces_the_process() {
    let fixture = Fixture::new().await;
    fixture.create("echo", &echo()).await;
    let before = fixture.invoke("echo", "1").await.unwrap();
    let path = "/2015-03-31/functions/echo/configuration";
    fixture.send(Method::PUT, path, json!({ "MemorySize": 256 })).await.unwrap();
    let between = fixture.invoke("echo", "1").await.unwrap();
    assert_ne!(before["pid"], between["pid"]);
    let code = json!({ "ZipFile": archive(&[("bootstrap", 0o755, "#!/bin/sh\nexit 3\n")]) });
    let path = "/2015-03-31/functions/echo/code";
    let mut dry = code.clone();
    dry["DryRun"] = json!(true);
    fixture.send(Method::PUT, path, dry).await.unwrap();
    assert_eq!(fixture.invoke("echo", "1").await.unwrap()["pid"], between["pid"]);
    fixture.send(Method::PUT, path, code).await.unwrap();
    assert_eq!(fixture.invoke("echo", "1").await.unwrap_err()["errorType"], "Runtime.ExitError");
    fixture.cloud.shut_down().await;
}

#[tokio::test]
async fn a_qualifier_is_part_of_the_arn() {
    let fixture = Fixture::new().await;
    fixture.create("echo", &echo()).await;
    let latest = "arn:aws:lambda:us-east-1:123456789012:function:echo:$LATEST";
    for path in ["/2015-03-31/functions/echo", "/2015-03-31/functions/echo/configuration"] {
        let mut request = call(Method::GET, path, String::new());
        request.query = vec![("Qualifier".to_owned(), "$LATEST".to_owned())];
        let shown: Value = serde_json::from_slice(handle(&fixture.cloud, &request).await.unwrap().body()).unwrap();
        assert_eq!(shown.get("Configuration").unwrap_or(&shown)["FunctionArn"], latest, "{path}");
    }
}

#[tokio::test]
async fn invoke_tells_the_version_the_error_and_the_log() {
    let fixture = Fixture::new().await;
    fixture.create("echo", &echo()).await;
    let mut request = call(Method::POST, "/2015-03-31/functions/echo/invocations", "5".to_owned());
    request.headers.insert(HeaderName::from_static("x-amz-log-type"), "Tail".parse().unwrap());
    let response = handle(&fixture.cloud, &request).await.unwrap();
    assert_eq!(response.headers()["x-amz-executed-version"], "$LATEST");
    assert!(!response.headers().contains_key("x-amz-function-error"));
    let log = STANDARD.decode(&response.headers()["x-amz-log-result"]).unwrap();
    let log = String::from_utf8(log).unwrap();
    let words: Vec<&str> = log.lines().map(|line| line.split([' ', '\t']).next().unwrap()).collect();
    assert_eq!(words, ["START", "handling", "END", "REPORT"], "{log}");
    assert!(log.contains("Memory Size: 128 MB\tMax Memory Used: "), "{log}");

    request.body = Bytes::from_static(b"\"crash\"");
    let response = handle(&fixture.cloud, &request).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-amz-function-error"]),
        (200, &"Unhandled".parse().unwrap())
    );

    for (kind, status) in [("Event", 202), ("DryRun", 204)] {
        request.headers.insert(HeaderName::from_static("x-amz-invocation-type"), kind.parse().unwrap());
        assert_eq!(handle(&fixture.cloud, &request).await.unwrap().status().as_u16(), status, "{kind}");
    }
    fixture.cloud.shut_down().await;
}

#[tokio::test]
async fn a_function_settles_with_a_new_revision() {
    let fixture = Fixture::with_settle(Duration::from_millis(300)).await;
    let path = "/2015-03-31/functions/echo/configuration";
    let state = |value: &Value| (value["State"].clone(), value["LastUpdateStatus"].clone());
    let made = fixture.create("echo", &echo()).await;
    assert_eq!(state(&made), (json!("Pending"), Value::Null));
    let pending = "409 ResourceConflictException The operation cannot be performed at this time. The function is \
                   currently in the following state: Pending";
    assert_eq!(fixture.send(Method::PUT, path, json!({})).await.unwrap_err(), pending);
    let refused = super::run(&fixture.cloud, "echo", Bytes::new()).await.unwrap_err();
    assert_eq!(shown(&refused), pending);
    tokio::time::sleep(Duration::from_millis(320)).await;
    let (_, active) = fixture.send(Method::GET, path, Value::Null).await.unwrap();
    assert_eq!(state(&active), (json!("Active"), json!("Successful")));
    assert_ne!(made["RevisionId"], active["RevisionId"]);

    let stale = fixture.send(Method::PUT, path, json!({ "RevisionId": made["RevisionId"] })).await.unwrap_err();
    assert!(stale.starts_with("412 PreconditionFailedException The Revision Id provided does not match"), "{stale}");
    let (_, changed) = fixture.send(Method::PUT, path, json!({ "Timeout": 4 })).await.unwrap();
    assert_eq!(state(&changed), (json!("Active"), json!("InProgress")));
    assert_eq!(
        fixture.send(Method::PUT, path, json!({ "Timeout": 5 })).await.unwrap_err(),
        "409 ResourceConflictException The operation cannot be performed at this time. An update is in progress for \
         resource: arn:aws:lambda:us-east-1:123456789012:function:echo"
    );
    tokio::time::sleep(Duration::from_millis(320)).await;
    let (_, settled) = fixture.send(Method::GET, path, Value::Null).await.unwrap();
    assert_eq!(state(&settled), (json!("Active"), json!("Successful")));
    assert_ne!(changed["RevisionId"], settled["RevisionId"]);
}

#[tokio::test]
async fn what_cannot_be_created_is_refused_in_awss_words() {
    let fixture = Fixture::new().await;
    fixture.create("taken", &echo()).await;
    let with = |change: Value| {
        let mut given = creation("new", &echo());
        for (key, value) in change.as_object().unwrap() {
            given[key] = value.clone();
        }
        given
    };
    let long = "n".repeat(65);
    let environment: BTreeMap<String, String> = BTreeMap::from([("KEY".to_owned(), "v".repeat(4096))]);
    let tags: BTreeMap<String, &str> = (0..51).map(|number| (number.to_string(), "x")).collect();
    let cases = [
        json!({ "FunctionName": "taken" }),
        json!({ "FunctionName": long }),
        json!({ "FunctionName": "no spaces" }),
        json!({ "FunctionName": "arn:aws:lambda:eu-west-1:123456789012:function:new" }),
        json!({ "Role": "arn:aws:iam::1234:role/x" }),
        json!({ "Role": "proxy", "Timeout": 901, "MemorySize": 64 }),
        json!({ "Role": "arn:aws:iam::123456789012:role/runner/absent" }),
        json!({ "Runtime": "provided" }),
        json!({ "Runtime": "python3.13" }),
        json!({ "Runtime": "cobol" }),
        json!({ "Architectures": ["x86_64", "arm64"] }),
        json!({ "Environment": { "Variables": environment } }),
        json!({ "Environment": { "Variables": { "AWS_REGION": "x" } } }),
        json!({ "Environment": { "Variables": { "1": "x" } } }),
        json!({ "Tags": tags }),
        json!({ "Code": { "ZipFile": "bm90IGEgemlw" } }),
        json!({ "Code": { "ZipFile": archive(&[("../bootstrap", 0o755, "x")]) } }),
        json!({ "Code": { "S3Bucket": "b", "S3Key": "k" } }),
        json!({ "Code": { "ImageUri": "x" } }),
        json!({ "Publish": true }),
        json!({ "Layers": ["arn"] }),
    ];
    let mut refusals = Vec::new();
    for change in cases {
        let refused = fixture.send(Method::POST, "/2015-03-31/functions", with(change)).await.unwrap_err();
        refusals.push(refused.replace(&"v".repeat(4096), "vvv").replace(&long, "nnn"));
    }
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    409 ResourceConflictException Function already exist: taken
    400 InvalidParameterValueException 1 validation error detected: Value 'nnn' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64
    400 ValidationException 1 validation error detected: Value 'no spaces' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?
    404 ResourceNotFoundException Functions from 'eu-west-1' are not reachable in this region ('us-east-1')
    400 ValidationException 1 validation error detected: Value 'arn:aws:iam::1234:role/x' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+
    400 ValidationException 3 validation errors detected: Value 'proxy' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+; Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900; Value '64' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128
    400 InvalidParameterValueException The role defined for the function cannot be assumed by Lambda.
    400 InvalidParameterValueException The runtime parameter of provided is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.
    501 NotImplemented the local cloud does not offer the runtime `python3.13`, only `provided.al2023`
    400 InvalidParameterValueException Value cobol at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [provided.al2023] or be a valid ARN
    400 ValidationException 1 validation error detected: Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1
    400 InvalidParameterValueException Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {"KEY":"vvv"}
    400 InvalidParameterValueException Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: AWS_REGION
    400 ValidationException 1 validation error detected: Value '{1=***}' at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]
    400 InvalidParameterValueException Number of tags exceeds resource tag limit.
    400 InvalidParameterValueException Could not unzip uploaded file. Please check your file, then try to upload again.
    400 InvalidParameterValueException Could not unzip uploaded file. Please check your file, then try to upload again.
    400 InvalidParameterValueException Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist
    501 NotImplemented the local cloud does not offer `ImageUri` in `Code` of CreateFunction
    501 NotImplemented the local cloud does not offer `Publish: true` of CreateFunction
    501 NotImplemented the local cloud does not offer `Layers` of CreateFunction
    "#);
}

#[tokio::test]
async fn a_permission_is_no_upsert() {
    let fixture = Fixture::new().await;
    let path = "/2015-03-31/functions/echo/policy";
    let grant = |sid: &str| {
        json!({
            "StatementId": sid, "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com",
            "SourceArn": "arn:aws:execute-api:us-east-1:123456789012:a1/*/*/", "SourceAccount": "123456789012",
        })
    };
    let mut log = vec![
        fixture.send(Method::POST, path, grant("a")).await.unwrap_err(),
        fixture.send(Method::DELETE, &format!("{path}/a"), Value::Null).await.unwrap_err(),
    ];
    fixture.create("echo", &echo()).await;
    log.push(fixture.send(Method::DELETE, &format!("{path}/a"), Value::Null).await.unwrap_err());
    log.push(fixture.send(Method::GET, path, Value::Null).await.unwrap_err());
    let (status, made) = fixture.send(Method::POST, path, grant("a")).await.unwrap();
    log.push(format!("{status} {}", made["Statement"].as_str().unwrap()));
    log.push(fixture.send(Method::POST, path, grant("a")).await.unwrap_err());
    log.push(fixture.send(Method::POST, path, grant("a b")).await.unwrap_err());
    let mut given = grant("b");
    given["Principal"] = json!("nobody");
    log.push(fixture.send(Method::POST, path, given).await.unwrap_err());
    log.push(fixture.send(Method::POST, &format!("{path}?Qualifier=%24LATEST"), grant("b")).await.unwrap_err());
    let mut given = grant("b");
    given["RevisionId"] = json!("old");
    log.push(fixture.send(Method::POST, path, given).await.unwrap_err());
    log.push(fixture.send(Method::DELETE, &format!("{path}/b"), Value::Null).await.unwrap_err());
    insta::assert_snapshot!(log.join("\n"), @r#"
    404 ResourceNotFoundException Function not found: arn:aws:lambda:us-east-1:123456789012:function:echo
    404 ResourceNotFoundException No policy found for: arn:aws:lambda:us-east-1:123456789012:function:echo
    404 ResourceNotFoundException No policy is associated with the given resource.
    404 ResourceNotFoundException The resource you requested does not exist.
    201 {"Action":"lambda:InvokeFunction","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:execute-api:us-east-1:123456789012:a1/*/*/"},"StringEquals":{"AWS:SourceAccount":"123456789012"}},"Effect":"Allow","Principal":{"Service":"apigateway.amazonaws.com"},"Resource":"arn:aws:lambda:us-east-1:123456789012:function:echo","Sid":"a"}
    409 ResourceConflictException The statement id (a) provided already exists. Please provide a new statement id, or remove the existing statement.
    400 ValidationException 1 validation error detected: Value 'a b' at 'statementId' failed to satisfy constraint: Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)
    400 InvalidParameterValueException The provided principal was invalid. Please check the principal and try again.
    400 InvalidParameterValueException We currently do not support adding policies for $LATEST.
    412 PreconditionFailedException The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id
    404 ResourceNotFoundException Statement b is not found in resource policy.
    "#);

    let arn = "arn:aws:lambda:us-east-1:123456789012:function:echo";
    let allowed = |source: &str| fixture.cloud.lambda.allows(arn, "apigateway.amazonaws.com", source);
    assert!(allowed("arn:aws:execute-api:us-east-1:123456789012:a1/$default/POST/"));
    assert!(!allowed("arn:aws:execute-api:us-east-1:123456789012:a2/$default/POST/"));
    assert!(!fixture.cloud.lambda.allows(
        arn,
        "s3.amazonaws.com",
        "arn:aws:execute-api:us-east-1:123456789012:a1/a/b/"
    ));
    fixture.send(Method::DELETE, &format!("{path}/a"), Value::Null).await.unwrap();
    assert!(!allowed("arn:aws:execute-api:us-east-1:123456789012:a1/$default/POST/"));
}

#[tokio::test]
async fn what_a_function_prints_is_logged() {
    let fixture = Fixture::new().await;
    fixture.create("echo", &echo()).await;
    fixture.invoke("echo", "1").await.unwrap();
    fixture.cloud.shut_down().await;
    let ask = async |operation: &str, body: Value| {
        let mut call = call(Method::POST, "/", body.to_string());
        operation.clone_into(&mut call.operation);
        let response = crate::service::logs::handle(&fixture.cloud, &call).await.unwrap();
        serde_json::from_slice::<Value>(response.body()).unwrap()
    };
    let group = "/aws/lambda/echo";
    let streams = ask("DescribeLogStreams", json!({ "logGroupName": group })).await;
    let stream = streams["logStreams"][0]["logStreamName"].as_str().unwrap();
    assert!(stream.contains("/[$LATEST]"), "{stream}");
    let found = ask("FilterLogEvents", json!({ "logGroupName": group })).await;
    let lines = found["events"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap());
    let words: Vec<&str> = lines.map(|line| line.split([' ', '\t']).next().unwrap()).collect();
    assert_eq!(words, ["START", "handling", "END", "REPORT"]);
}

#[tokio::test]
async fn functions_survive_a_restart() {
    let fixture = Fixture::new().await;
    fixture.create("echo", &echo()).await;
    fixture.invoke("echo", "1").await.unwrap();
    fixture.cloud.shut_down().await;
    let config = fixture.cloud.config.clone();
    let again = Fixture { cloud: Cloud::open(config).await.unwrap(), _dir: tempfile::tempdir().unwrap() };
    assert_eq!(again.invoke("echo", "1").await.unwrap()["echo"], json!(1));
    again.cloud.shut_down().await;
    again.send(Method::DELETE, "/2015-03-31/functions/echo", Value::Null).await.unwrap();
    assert!(again.cloud.lambda.is_empty());
    let gone = again.send(Method::DELETE, "/2015-03-31/functions/echo", Value::Null).await.unwrap_err();
    assert_eq!(
        gone,
        "404 ResourceNotFoundException Function not found: arn:aws:lambda:us-east-1:123456789012:function:echo"
    );
}

#[tokio::test]
async fn whoever_may_not_list_tags_is_told_so_in_their_stead() {
    let fixture = Fixture::new().await;
    let mut create = creation("echo", &echo());
    create["Tags"] = json!({ "runner:pipeline": "fraud" });
    fixture.send(Method::POST, "/2015-03-31/functions", create).await.unwrap();
    let mut get = call(Method::GET, "/2015-03-31/functions/echo", String::new());
    let shown = handle(&fixture.cloud, &get).await.unwrap();
    let shown: Value = serde_json::from_slice(shown.body()).unwrap();
    assert_eq!(shown["Tags"]["runner:pipeline"], "fraud");
    get.caller.role = Some("arn:aws:iam::123456789012:role/nobody".to_owned());
    let hidden = handle(&fixture.cloud, &get).await.unwrap();
    let hidden: Value = serde_json::from_slice(hidden.body()).unwrap();
    assert_eq!(hidden["Tags"], Value::Null);
    assert_eq!(hidden["TagsError"]["ErrorCode"], "AccessDeniedException");
    let message = hidden["TagsError"]["Message"].as_str().unwrap();
    assert!(message.contains("perform: lambda:ListTags on resource: "), "{message}");
    fixture.cloud.shut_down().await;
}

#[tokio::test]
async fn an_event_cannot_be_stolen_nor_a_start_be_spoilt_from_outside() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let fixture = Fixture::new().await;
    let script = ECHO.replace(r#"answer="{\"echo\":$event,\"pid\":$$}""#, r#"answer="\"$AWS_LAMBDA_RUNTIME_API\"""#);
    fixture.create("told", &[("bootstrap", 0o755, &script)]).await;
    let address = fixture.invoke("told", "1").await.unwrap().as_str().unwrap().to_owned();
    let ask = async |head: &str| {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let request = format!("{head} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://evil.example\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // Who would get the event waits for it.
        let read = stream.read_to_string(&mut answer);
        tokio::time::timeout(Duration::from_secs(5), read).await.expect("it was taken for the function").unwrap();
        answer
    };
    for head in ["GET /2018-06-01/runtime/invocation/next", "POST /2018-06-01/runtime/init/error"] {
        let answer = ask(head).await;
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("one function's process"), "{head}: {answer}");
    }
    assert_eq!(fixture.invoke("told", "2").await.unwrap(), json!(address), "the same process as before");
    fixture.cloud.shut_down().await;
}
