//! Who asks, and whether they may.

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderMap, Uri};
use jiff::Timestamp;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{Credentials, S3Auth, SecretKey};
use s3s::dto::{CopyObjectInput, CopySource, PostObjectInput, UploadPartCopyInput};
use s3s::path::S3Path;
use s3s::{S3Request, S3Result};

use super::needs::{Asked, resource};
use super::{bucket, members, refuse};
use crate::Cloud;
use crate::call::{Caller, Refusal};
use crate::permission::Permission;
use crate::service::iam::Keys;
use crate::signature;

/// Tells `s3s` the secrets and what their holders may do.
pub(super) struct Access(pub(super) Arc<Cloud>);

#[async_trait]
impl S3Auth for Access {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let key = signature::secret_of(&self.0, access_key).ok_or_else(refuse::invalid_access_key)?;
        Ok(key.secret_access_key.into())
    }
}

#[async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        // A request that was read twice has been verified already.
        let known = context.extensions_mut().get::<Caller>().cloned();
        let caller = match known {
            Some(caller) => caller,
            None => caller(&self.0, context.credentials(), context.headers(), context.uri())?,
        };
        let (bucket, key) = match context.s3_path() {
            S3Path::Root => (None, None),
            S3Path::Bucket { bucket } => (Some(&**bucket), None),
            S3Path::Object { bucket, key } => (Some(&**bucket), Some(&**key)),
        };
        if bucket.is_some_and(|bucket| !bucket::is_legal_name(bucket)) {
            return Err(refuse::invalid_bucket_name().into());
        }
        let operation = context.s3_op().name();
        // Anybody is told that there is no such bucket: it has no owner who could allow or deny anything.
        if operation != "CreateBucket" && bucket.is_some_and(|bucket| !self.0.s3.exists(bucket)) {
            return Err(refuse::no_such_bucket().into());
        }
        self.check_owner(context.headers(), "x-amz-expected-bucket-owner")?;
        self.check_owner(context.headers(), "x-amz-source-expected-bucket-owner")?;
        let partition = self.0.config.partition();
        let asked = Asked { partition, bucket, key, uri: context.uri(), headers: context.headers() };
        for need in asked.needs(operation) {
            ask(&self.0, &caller, &need)?;
        }
        members::check(operation, context.headers(), context.uri())?;
        context.extensions_mut().insert(caller);
        Ok(())
    }

    async fn post_object(&self, request: &mut S3Request<PostObjectInput>) -> S3Result<()> {
        // The length of the form, which `s3s` has made 0, says nothing of the file.
        request.headers.remove(http::header::CONTENT_LENGTH);
        let Some(caller) = request.extensions.get::<Caller>() else { return Err(refuse::access_denied().into()) };
        let input = &request.input;
        let resource = resource(self.0.config.partition(), Some(&input.bucket), Some(&input.key));
        let tagging = input.tagging.as_ref().map(|_| "s3:PutObjectTagging");
        for action in ["s3:PutObject"].into_iter().chain(tagging) {
            ask(&self.0, caller, &Permission::new(action, resource.as_str()))?;
        }
        Ok(())
    }

    async fn copy_object(&self, request: &mut S3Request<CopyObjectInput>) -> S3Result<()> {
        Ok(self.check_source(&request.input.copy_source, request.extensions.get())?)
    }

    async fn upload_part_copy(&self, request: &mut S3Request<UploadPartCopyInput>) -> S3Result<()> {
        Ok(self.check_source(&request.input.copy_source, request.extensions.get())?)
    }
}

impl Access {
    /// Asks whether the caller may read what is copied. Anybody is told that there is no such bucket.
    fn check_source(&self, source: &CopySource, caller: Option<&Caller>) -> Result<(), Refusal> {
        let CopySource::Bucket { bucket, key, version_id } = source else { return Ok(()) };
        let caller = caller.ok_or_else(refuse::access_denied)?;
        if !self.0.s3.exists(bucket) {
            return Err(refuse::no_such_bucket().with("BucketName", bucket));
        }
        let action = if version_id.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
        ask(&self.0, caller, &Permission::new(action, resource(self.0.config.partition(), Some(bucket), Some(key))))
    }

    /// Checks that the owner of a bucket is whom the header names. Every bucket is this account's.
    fn check_owner(&self, headers: &HeaderMap, name: &str) -> Result<(), Refusal> {
        let Some(owner) = headers.get(name).and_then(|owner| owner.to_str().ok()) else { return Ok(()) };
        if owner.len() != 12 || !owner.bytes().all(|byte| byte.is_ascii_digit()) {
            let message =
                format!("The value of the expected bucket owner parameter must be an AWS Account ID... [{owner}]");
            return Err(Refusal::new(400, "InvalidBucketOwnerAWSAccountID", message));
        }
        if owner == self.0.config.account { Ok(()) } else { Err(refuse::access_denied()) }
    }
}

/// The holder of a key whose signature `s3s` has verified; `s3s` knows nothing of session tokens.
pub(super) fn caller(
    cloud: &Cloud,
    credentials: Option<&Credentials>,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Caller, Refusal> {
    let credentials = credentials.ok_or_else(refuse::access_denied)?;
    let key = signature::secret_of(cloud, &credentials.access_key).ok_or_else(refuse::invalid_access_key)?;
    let header = headers.get("x-amz-security-token").and_then(|token| token.to_str().ok()).map(str::to_owned);
    let token = header.or_else(|| {
        let mut query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        query.find(|(name, _)| name == "X-Amz-Security-Token").map(|(_, token)| token.into_owned())
    });
    if key.has_ended(Timestamp::now()) {
        return Err(Refusal::new(400, "ExpiredToken", "The provided token has expired."));
    }
    if signature::same(token.as_deref().unwrap_or_default(), key.session_token.as_deref().unwrap_or_default()) {
        Ok(key.caller)
    } else {
        Err(Refusal::new(400, "InvalidToken", "The provided token is malformed or otherwise invalid."))
    }
}

/// What is not denied to the account itself, so that a mistake in a policy can be mended. Source: IAM user guide, of
/// the root user. The account's own key stands for that user here, since there is no other.
const OWNERS: [&str; 3] = ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"];

/// Asks IAM, which hears the bucket's own policy beside those of the caller.
pub(super) fn ask(cloud: &Cloud, caller: &Caller, permission: &Permission) -> Result<(), Refusal> {
    let prefix = format!("arn:{}:s3:::", cloud.config.partition());
    let bucket = permission.resource.strip_prefix(&prefix).and_then(|name| name.split('/').next());
    let heard = caller.role.is_some() || !OWNERS.contains(&permission.action.as_str());
    let policy = bucket.filter(|_| heard).and_then(|bucket| cloud.s3.policy(bucket));
    let verdict = cloud.iam.ask(caller, &permission.clone().under(policy));
    verdict.map_err(|message| Refusal::new(403, "AccessDenied", message))
}

/// Whether a role may, which another service asks that acts as the role.
pub(crate) fn may(cloud: &Cloud, role: &str, action: &str, resource: &str, context: &[(&str, &str)]) -> bool {
    let caller = Caller { arn: role.to_owned(), role: Some(role.to_owned()) };
    let permission = Permission { keys: Keys::from(context), ..Permission::new(action, resource) };
    ask(cloud, &caller, &permission).is_ok()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
    use http::{Method, Request};
    use http_body_util::BodyExt as _;
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::call::Call;
    use crate::service::iam::{self, Session};
    use crate::service::s3;

    const ROLE: &str = "arn:aws:iam::123456789012:role/r";

    async fn cloud(dir: &std::path::Path) -> Arc<Cloud> {
        Cloud::open(s3::tests::config(dir)).await.unwrap()
    }

    async fn answer(cloud: &Arc<Cloud>, request: http::request::Builder) -> String {
        let response = s3::handle(cloud, request.body(s3s::Body::empty()).unwrap()).await;
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let error = String::from_utf8_lossy(&body).into_owned();
        format!("{} {}", status.as_u16(), error.split_once("?>").map_or("", |(_, error)| error))
    }

    #[tokio::test]
    async fn nobody_gets_in_without_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let cloud = cloud(dir.path()).await;
        insta::assert_snapshot!(answer(&cloud, Request::get("/data/k")).await, @"403 <Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>");
        insta::assert_snapshot!(answer(&cloud, Request::builder().method(Method::PUT).uri("/data")).await, @"403 <Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>");
        assert!(cloud.s3.is_empty());
    }

    /// A role that may read `data/models/*`, and one object inside and outside of that.
    async fn with_role(cloud: &Arc<Cloud>) -> Session {
        let trust = r#"{"Version":"2012-10-17","Statement":[]}"#;
        let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject"],
            "Resource":"arn:aws:s3:::data/models/*"},{"Effect":"Allow","Action":"s3:ListBucket",
            "Resource":"arn:aws:s3:::data","Condition":{"StringEquals":{"s3:prefix":"models/"}}}]}"#;
        let trust = trust.replace(
            "[]",
            r#"[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]"#,
        );
        ask_iam(cloud, "CreateRole", &[("RoleName", "r"), ("AssumeRolePolicyDocument", &trust)]).await;
        let fields = [("RoleName", "r"), ("PolicyName", "p"), ("PolicyDocument", policy)];
        ask_iam(cloud, "PutRolePolicy", &fields).await;
        cloud.s3.create_bucket("data", s3::bucket::Wanted::default()).unwrap();
        for key in ["models/a", "other/b"] {
            let body = s3s::Body::from(bytes::Bytes::from_static(b"x")).into();
            cloud.s3.put_object(s3::tests::request(s3::tests::write(key, body), &[])).await.unwrap();
        }
        cloud.iam.session(ROLE, "s")
    }

    async fn ask_iam(cloud: &Cloud, operation: &str, fields: &[(&str, &str)]) {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let call = Call {
            operation: operation.to_owned(),
            method: Method::POST,
            path: "/".to_owned(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: body.into(),
            caller: Caller { arn: "arn:aws:iam::123456789012:user/local".to_owned(), role: None },
            request_id: "id".to_owned(),
            outcome: None,
        };
        iam::handle(cloud, &call).await.unwrap();
    }

    fn signed(session: &Session, path: &str, query: &str) -> http::request::Builder {
        let now = jiff::Timestamp::now();
        let (date, time) = (now.strftime("%Y%m%d").to_string(), now.strftime("%Y%m%dT%H%M%SZ").to_string());
        let names = "host;x-amz-content-sha256;x-amz-date;x-amz-security-token";
        let token = &session.session_token;
        let canonical = format!(
            "GET\n{path}\n{query}\nhost:localhost\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:{time}\n\
             x-amz-security-token:{token}\n\n{names}\nUNSIGNED-PAYLOAD"
        );
        let scope = format!("{date}/us-east-1/s3/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
        let key = generate_signing_key(&session.secret_access_key, SystemTime::from(now), "us-east-1", "s3");
        let signature = calculate_signature(key, text.as_bytes());
        let id = &session.access_key_id;
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
        Request::get(format!("{path}?{query}"))
            .header("host", "localhost")
            .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
            .header("x-amz-date", time)
            .header("x-amz-security-token", token)
            .header("authorization", authorization)
    }

    #[tokio::test]
    async fn a_role_reads_what_its_policy_names_and_learns_nothing_of_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let cloud = cloud(dir.path()).await;
        let session = with_role(&cloud).await;
        let get = async |path, query| answer(&cloud, signed(&session, path, query)).await;
        assert_eq!(get("/data/models/a", "x-id=GetObject").await, "200 ");
        insta::assert_snapshot!(get("/data/other/b", "x-id=GetObject").await, @"403 <Error><Code>AccessDenied</Code><Message>User: arn:aws:sts::123456789012:assumed-role/r/s is not authorized to perform: s3:GetObject on resource: &quot;arn:aws:s3:::data/other/b&quot; because no identity-based policy allows the s3:GetObject action</Message></Error>");
        insta::assert_snapshot!(get("/data/models/none", "x-id=GetObject").await, @"403 <Error><Code>AccessDenied</Code><Message>User: arn:aws:sts::123456789012:assumed-role/r/s is not authorized to perform: s3:ListBucket on resource: &quot;arn:aws:s3:::data&quot; because no identity-based policy allows the s3:ListBucket action</Message></Error>");
        insta::assert_snapshot!(get("/data", "list-type=2").await, @"403 <Error><Code>AccessDenied</Code><Message>User: arn:aws:sts::123456789012:assumed-role/r/s is not authorized to perform: s3:ListBucket on resource: &quot;arn:aws:s3:::data&quot; because no identity-based policy allows the s3:ListBucket action</Message></Error>");
        assert!(get("/data", "list-type=2&prefix=models%2F").await.starts_with("200 "));
    }

    fn put_policy(cloud: &Arc<Cloud>, statement: &str) {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
        let input = s3s::dto::PutBucketPolicyInput::builder().bucket("data".to_owned()).policy(text).build().unwrap();
        cloud.s3.put_bucket_policy(&input).unwrap();
    }

    #[tokio::test]
    async fn a_buckets_policy_denies_what_the_role_may_and_allows_what_it_may_not() {
        let dir = tempfile::tempdir().unwrap();
        let cloud = cloud(dir.path()).await;
        let session = with_role(&cloud).await;
        let get = async |path| answer(&cloud, signed(&session, path, "x-id=GetObject")).await;
        put_policy(
            &cloud,
            r#"{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::data","arn:aws:s3:::data/*"],
                "Condition":{"Bool":{"aws:SecureTransport":"false"}}},
               {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/r"},"Action":"s3:GetObject",
                "Resource":"arn:aws:s3:::data/other/*"}"#,
        );
        assert_eq!(get("/data/models/a").await, "200 ");
        assert_eq!(get("/data/other/b").await, "200 ");
        put_policy(
            &cloud,
            r#"{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::data/models/*"}"#,
        );
        insta::assert_snapshot!(get("/data/models/a").await, @"403 <Error><Code>AccessDenied</Code><Message>User: arn:aws:sts::123456789012:assumed-role/r/s is not authorized to perform: s3:GetObject on resource: &quot;arn:aws:s3:::data/models/a&quot; with an explicit deny in a resource-based policy</Message></Error>");
        assert!(!may(&cloud, ROLE, "s3:GetObject", "arn:aws:s3:::data/models/a", &[]));
        let owner = Caller { arn: "arn:aws:iam::123456789012:user/local".to_owned(), role: None };
        let owners =
            |key: &str| ask(&cloud, &owner, &Permission::new("s3:GetObject", format!("arn:aws:s3:::data/{key}")));
        assert!(owners("models/a").is_err());
        assert_eq!(owners("other/b"), Ok(()));

        // Whoever locked themselves out can mend the policy, with the account's own key.
        put_policy(
            &cloud,
            r#"{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::data","arn:aws:s3:::data/*"]}"#,
        );
        assert!(owners("other/b").is_err());
        let role = Caller { arn: ROLE.to_owned(), role: Some(ROLE.to_owned()) };
        for action in OWNERS {
            let need = Permission::new(action, "arn:aws:s3:::data");
            assert!(ask(&cloud, &owner, &need).is_ok() && ask(&cloud, &role, &need).is_err(), "{action}");
        }
    }

    #[tokio::test]
    async fn a_session_counts_only_with_its_token() {
        let dir = tempfile::tempdir().unwrap();
        let cloud = cloud(dir.path()).await;
        let session = cloud.iam.session(ROLE, "s");
        let credentials = Credentials {
            access_key: session.access_key_id.clone(),
            secret_key: session.secret_access_key.clone().into(),
        };
        let ask = |token: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(token) = token {
                headers.insert("x-amz-security-token", token.parse().unwrap());
            }
            caller(&cloud, Some(&credentials), &headers, &Uri::from_static("/"))
        };
        assert_eq!(ask(None).unwrap_err().code, "InvalidToken");
        assert_eq!(ask(Some("another's")).unwrap_err().code, "InvalidToken");
        let caller = ask(Some(&session.session_token)).unwrap();
        assert_eq!(caller.role.as_deref(), Some(ROLE));
    }
}
