//! The services' own words, and what each means to us.

use super::hint::hint;
use super::{Meaning, meaning};

/// Service, wire code, message, meaning.
const ANSWERS: &[(&str, &str, &str, Meaning)] = &[
    ("sagemaker", "ValidationException", "Could not find endpoint \"arn\".", Meaning::Absent),
    ("sagemaker", "ValidationException", "Could not find endpoint configuration \"arn\".", Meaning::Absent),
    ("sagemaker", "ValidationException", "Could not find model \"arn\".", Meaning::Absent),
    ("sagemaker", "ValidationException", "Requested resource not found.", Meaning::Absent),
    ("sagemaker", "ValidationException", "Cannot create already existing model \"arn\".", Meaning::AlreadyThere),
    ("sagemaker", "ValidationException", "Cannot create already existing endpoint \"arn\".", Meaning::AlreadyThere),
    ("sagemaker", "ValidationException", "Cannot update in-progress endpoint \"arn\".", Meaning::Busy),
    (
        "sagemaker",
        "ValidationException",
        "Could not assume role arn. Please ensure that the role exists",
        Meaning::NotYet,
    ),
    ("sagemaker", "ValidationException", "Could not access model data at s3://b/k.", Meaning::NotYet),
    ("sagemaker", "ValidationException", "No S3 objects found under S3 URL \"s3://b/k\" given", Meaning::NotYet),
    (
        "sagemaker",
        "ResourceInUse",
        "Training job names must be unique within an AWS account and region, and a training job with this name already exists (arn)",
        Meaning::AlreadyThere,
    ),
    ("sagemaker", "ResourceInUse", "The training job arn is in status InProgress.", Meaning::Other),
    ("sagemaker", "ValidationException", "2 validation errors detected: Value 'v' at 'modelName'", Meaning::Other),
    ("sagemaker", "ResourceLimitExceeded", "The account-level service limit 'ml.t2.medium'", Meaning::OverQuota),
    ("sagemaker", "AccessDeniedException", "User: u is not authorized to perform: iam:PassRole", Meaning::Refused),
    ("sagemaker", "ThrottlingException", "Rate exceeded", Meaning::Throttled),
    ("apigateway", "BadRequestException", "Insufficient permissions to enable logging", Meaning::NotYet),
    (
        "apigateway",
        "BadRequestException",
        "Authorizer name must be unique. Authorizer runner already exists in this RestApi.",
        Meaning::AlreadyThere,
    ),
    ("apigateway", "BadRequestException", "Caught exception when connecting to https://a.example", Meaning::Other),
    (
        "apigateway",
        "ConflictException",
        "Cannot delete authorizer 'runner', is referenced in route: POST /",
        Meaning::Busy,
    ),
    ("lambda", "ResourceConflictException", "Function already exist: fraud-proxy", Meaning::AlreadyThere),
    (
        "lambda",
        "ResourceConflictException",
        "The statement id (runner) provided already exists. Please provide a new statement id",
        Meaning::AlreadyThere,
    ),
    (
        "lambda",
        "ResourceConflictException",
        "The operation cannot be performed at this time. An update is in progress for resource: arn",
        Meaning::Busy,
    ),
    (
        "lambda",
        "InvalidParameterValueException",
        "The role defined for the function cannot be assumed by Lambda.",
        Meaning::NotYet,
    ),
    (
        "lambda",
        "InvalidParameterValueException",
        "The provided execution role does not have permissions to call CreateNetworkInterface on EC2",
        Meaning::NotYet,
    ),
    ("lambda", "InvalidParameterValueException", "Could not unzip uploaded file.", Meaning::Other),
    ("lambda", "ResourceNotFoundException", "Function not found: arn", Meaning::Absent),
    ("lambda", "TooManyRequestsException", "Rate exceeded (Reason=CallerRateLimitExceeded)", Meaning::Throttled),
    ("lambda", "PreconditionFailedException", "The Revision Id provided does not match", Meaning::Precondition),
    ("iam", "EntityAlreadyExists", "Role with name r already exists.", Meaning::AlreadyThere),
    ("iam", "EntityAlreadyExistsException", "Role with name r already exists.", Meaning::AlreadyThere),
    ("iam", "NoSuchEntity", "The role with name r cannot be found.", Meaning::Absent),
    ("iam", "DeleteConflict", "Cannot delete entity, must delete policies first.", Meaning::Busy),
    ("iam", "ConcurrentModification", "The request was rejected because multiple requests", Meaning::Busy),
    ("iam", "MalformedPolicyDocument", "This policy contains invalid Json", Meaning::Other),
    ("iam", "LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role r", Meaning::OverQuota),
    ("iam", "Throttling", "Rate exceeded", Meaning::Throttled),
    (
        "s3",
        "BucketAlreadyOwnedByYou",
        "Your previous request to create the named bucket succeeded",
        Meaning::AlreadyThere,
    ),
    ("s3", "BucketAlreadyExists", "The requested bucket name is not available.", Meaning::Refused),
    ("s3", "OperationAborted", "A conflicting conditional operation is currently in progress", Meaning::Busy),
    ("s3", "ConditionalRequestConflict", "The conditional request cannot succeed", Meaning::Busy),
    (
        "s3",
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
        Meaning::Precondition,
    ),
    ("s3", "NoSuchBucket", "The specified bucket does not exist", Meaning::Absent),
    ("s3", "NoSuchKey", "The specified key does not exist.", Meaning::Absent),
    ("s3", "NoSuchTagSet", "The TagSet does not exist", Meaning::Absent),
    ("s3", "NoSuchBucketPolicy", "The bucket policy does not exist", Meaning::Absent),
    ("s3", "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist", Meaning::Absent),
    (
        "s3",
        "NoSuchPublicAccessBlockConfiguration",
        "The public access block configuration was not found",
        Meaning::Absent,
    ),
    ("s3", "OwnershipControlsNotFoundError", "The bucket ownership controls were not found", Meaning::Absent),
    ("s3", "BucketNotEmpty", "The bucket you tried to delete is not empty", Meaning::Other),
    ("s3", "AccessDenied", "Access Denied", Meaning::Refused),
    ("s3", "SlowDown", "Please reduce your request rate.", Meaning::Throttled),
    ("apigateway", "NotFoundException", "Invalid API identifier specified 123456789012:a1", Meaning::Absent),
    ("apigateway", "ConflictException", "Route with key POST / already exists for this API", Meaning::AlreadyThere),
    ("apigateway", "ConflictException", "Stage already exists", Meaning::AlreadyThere),
    ("apigateway", "ConflictException", "The integration is referenced by a route", Meaning::Busy),
    ("apigateway", "TooManyRequestsException", "Too Many Requests", Meaning::Throttled),
    ("ecr", "RepositoryAlreadyExistsException", "The repository with name 'r' already exists", Meaning::AlreadyThere),
    ("ecr", "RepositoryNotFoundException", "The repository with name 'r' does not exist", Meaning::Absent),
    ("ecr", "ImageNotFoundException", "The image with imageId {…} does not exist", Meaning::Absent),
    ("ecr", "LayerAlreadyExistsException", "Layer with digest 'd' already exists", Meaning::AlreadyThere),
    ("ecr", "ImageAlreadyExistsException", "Image with digest 'd' and tag 't' already exists", Meaning::AlreadyThere),
    ("ecr", "ImageTagAlreadyExistsException", "The image tag 't' already exists", Meaning::Other),
    ("ecr", "UploadNotFoundException", "The upload with id 'u' does not exist", Meaning::BeginAnew),
    ("ecr", "InvalidLayerPartException", "The part from byte 0 to byte 2 of the upload", Meaning::BeginAnew),
    ("ecr", "LayersNotFoundException", "Layers with digests '[d]' required for pushing image", Meaning::Other),
    ("logs", "ResourceAlreadyExistsException", "The specified log group already exists", Meaning::AlreadyThere),
    ("logs", "ResourceNotFoundException", "The specified log group does not exist.", Meaning::Absent),
    ("logs", "OperationAbortedException", "A conflicting operation is currently in progress", Meaning::Busy),
    (
        "application-autoscaling",
        "ObjectNotFoundException",
        "No scalable target found for service namespace: sagemaker",
        Meaning::Absent,
    ),
    (
        "application-autoscaling",
        "ConcurrentUpdateException",
        "You already have a pending update to an Auto Scaling resource.",
        Meaning::Busy,
    ),
    (
        "application-autoscaling",
        "ValidationException",
        "Unable to assume IAM role: arn:aws:iam::123456789012:role/aws-service-role/sagemaker",
        Meaning::NotYet,
    ),
    (
        "application-autoscaling",
        "ValidationException",
        "Maximum capacity cannot be less than minimum capacity.",
        Meaning::Other,
    ),
    ("application-autoscaling", "FailedResourceAccessException", "Unable to retrieve alarms", Meaning::NotYet),
    ("application-autoscaling", "AccessDeniedException", "User: u is not authorized to perform", Meaning::Refused),
    ("cloudwatch", "ResourceNotFound", "", Meaning::Absent),
    ("cloudwatch", "ResourceNotFoundException", "Unknown", Meaning::Absent),
    ("cloudwatch", "AccessDenied", "User: u is not authorized to perform: cloudwatch:DescribeAlarms", Meaning::Refused),
    ("cloudwatch", "LimitExceeded", "The quota for alarms was reached", Meaning::Other),
    ("logs", "InvalidParameterException", "Invalid LogGroup or LogStream", Meaning::Other),
];

/// Every refusal that AWS is known for: service, operation, situation, status, code, message, retry, source, meaning,
/// and how the local cloud is brought to give it.
const TABLE: &str = include_str!("../../../e2e/aws-errors.tsv");

#[test]
fn every_refusal_of_the_table_means_what_the_table_says() {
    let (mut read, mut wrong) = (0, vec![]);
    for line in TABLE.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [service, operation, situation, status, code, message, _retry, _source, means, how] = columns[..] else {
            panic!("a row has ten columns: {line}");
        };
        // The function alone calls these, and the public the other.
        if how.starts_with("unused") || means == "-" || matches!(service, "sagemaker-runtime" | "execute-api") {
            continue;
        }
        let service = if service == "apigatewayv2" { "apigateway" } else { service };
        let found = format!("{:?}", meaning(service, code, message, status.parse().ok()));
        if found != means {
            wrong.push(format!("{service} {operation}, {situation}: {code} {message} is {found}, not {means}"));
        }
        read += 1;
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(read > 120, "only {read} rows were read");
}

/// Says that the same call may succeed later.
const AGAIN: &str = "run the same command again";

/// By the table's own column `retry`, not by what is meant here.
#[test]
fn what_does_not_pass_by_itself_is_not_to_be_run_again() {
    let (mut again, mut not, mut wrong) = (0, 0, vec![]);
    for line in TABLE.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [service, operation, situation, status, code, message, retry, _source, means, how] = columns[..] else {
            panic!("a row has ten columns: {line}");
        };
        if how.starts_with("unused") || means == "-" || service == "execute-api" {
            continue;
        }
        let service = if service == "apigatewayv2" { "apigateway" } else { service };
        let status = status.parse().ok();
        let said = hint(
            meaning(service, code, message, status),
            &format!("{service}:{operation}"),
            code.strip_suffix("Exception").unwrap_or(code),
            status,
        );
        // The next run looks first, and finds what is there or not.
        let looks = matches!(means, "Absent" | "AlreadyThere" | "Precondition" | "BeginAnew" | "Busy");
        // The deployer's own rights are the likelier reason, which no wait mends.
        let rights = message.contains("enable logging");
        // Autoscaling begins once the endpoint is in service.
        let early = situation.contains("not in service");
        let expected = (retry != "no" || looks) && !rights && !early;
        if said.contains(AGAIN) != expected {
            wrong.push(format!("{service} {operation}, {situation}: {retry}, {means}: {said}"));
        }
        *(if expected { &mut again } else { &mut not }) += 1;
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(again > 40 && not > 40, "{again} may pass, {not} may not");
}

#[test]
fn each_hint_says_what_to_change() {
    let of = |code: &str, status| {
        let service_code = code.strip_suffix("Exception").unwrap_or(code);
        hint(meaning("s3", code, "", Some(status)), "s3:CreateBucket", service_code, Some(status))
    };
    for code in ["InternalError", "ServiceUnavailable"] {
        assert!(of(code, 500).contains(AGAIN), "{code}");
    }
    for (code, what) in [
        ("InvalidArgument", "mend what the reason names"),
        ("ExpiredToken", "log in anew"),
        ("InvalidClientTokenId", "log in anew"),
        ("UnrecognizedClientException", "log in anew"),
        ("RequestTimeTooSkewed", "set the clock"),
        ("BucketAlreadyExists", "upload: { bucket: … }"),
        ("BucketNotEmpty", "stop that first"),
        ("AccessDenied", "ask for the permission"),
    ] {
        assert!(of(code, 400).contains(what) && !of(code, 400).contains(AGAIN), "{code}: {}", of(code, 400));
    }
}

#[test]
fn each_service_says_it_in_its_own_words() {
    for (service, code, message, expected) in ANSWERS {
        assert_eq!(meaning(service, code, message, Some(400)), *expected, "{service} {code}: {message}");
    }
}

#[test]
fn an_empty_body_is_read_by_its_status() {
    assert_eq!(meaning("s3", "", "", Some(404)), Meaning::Absent);
    assert_eq!(meaning("s3", "", "", Some(403)), Meaning::Refused);
    assert_eq!(meaning("s3", "", "", Some(500)), Meaning::Other);
    // A proxy in between says nothing about a service that always says more itself.
    assert_eq!(meaning("lambda", "", "", Some(404)), Meaning::Other);
}
