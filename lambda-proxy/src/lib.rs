//! The Lambda function in front of the endpoint: checks a request, asks for a score, shapes the answer.
