//! SCRAM credentials: DescribeUserScramCredentials (50), AlterUserScramCredentials (51), KIP-554.
//!
//! They are kept in the metadata log as RFC 5802's stored and server keys, never as passwords, and not used yet:
//! no listener authenticates.
//!
//! Source: `ScramControlManager` and `ScramImage` in Apache Kafka.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use protocol::error_code::ErrorCode;
use protocol::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, AlterUserScramCredentialsResult,
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use protocol::messages::describe_user_scram_credentials::{
    CredentialInfo, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
};
use sha2::{Digest, Sha256, Sha512};

use super::Cx;
use super::handler::{Call, Handler, Reply};
use crate::catalog::{ApiError, Image, Record, ScramCredential, ScramMechanism};

/// Fewer iterations than RFC 7677 asks for are refused, and more than a log-in may cost the broker.
const ITERATIONS: RangeInclusive<i32> = 4096..=16384;

/// Version 0, flexible.
pub(super) struct DescribeUserScramCredentials;

impl Handler for DescribeUserScramCredentials {
    type Request<'a> = DescribeUserScramCredentialsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: DescribeUserScramCredentialsRequest<'a>,
    ) -> Reply<DescribeUserScramCredentialsResponse<'a>> {
        let mut known: BTreeMap<String, Vec<CredentialInfo>> = BTreeMap::new();
        cx.catalog.with_image(|image| {
            for ((user, mechanism), credential) in image.scram() {
                let info = CredentialInfo { mechanism: mechanism.code(), iterations: credential.iterations };
                known.entry(user.clone()).or_default().push(info);
            }
        });
        // Null asks for all users, and so does an empty list.
        let results = match request.users {
            Some(users) if !users.is_empty() => {
                let mut counts: HashMap<String, usize> = HashMap::new();
                users.iter().for_each(|user| *counts.entry(user.name.to_string()).or_default() += 1);
                let mut names: Vec<String> = counts.keys().cloned().collect();
                names.sort_unstable();
                names
                    .into_iter()
                    .map(|name| match (counts[&name], known.remove(&name)) {
                        (2.., _) => undescribed(
                            ErrorCode::DuplicateResource,
                            format!("Cannot describe SCRAM credentials for the same user twice in a single request: {name}"),
                            name,
                        ),
                        (_, None) => undescribed(
                            ErrorCode::ResourceNotFound,
                            format!("Attempt to describe a user credential that does not exist: {name}"),
                            name,
                        ),
                        (_, Some(infos)) => described(name, infos),
                    })
                    .collect()
            }
            _ => known.into_iter().map(|(name, infos)| described(name, infos)).collect(),
        };
        Reply::Answer(DescribeUserScramCredentialsResponse {
            error_message: None,
            results,
            ..DescribeUserScramCredentialsResponse::default()
        })
    }
}

fn described<'a>(
    user: String,
    credential_infos: Vec<CredentialInfo>,
) -> DescribeUserScramCredentialsResult<'a> {
    DescribeUserScramCredentialsResult {
        user: Cow::Owned(user),
        error_code: ErrorCode::None.code(),
        error_message: None,
        credential_infos,
    }
}

fn undescribed<'a>(code: ErrorCode, message: String, user: String) -> DescribeUserScramCredentialsResult<'a> {
    DescribeUserScramCredentialsResult {
        user: Cow::Owned(user),
        error_code: code.code(),
        error_message: Some(Cow::Owned(message)),
        credential_infos: Vec::new(),
    }
}

/// Version 0, flexible.
pub(super) struct AlterUserScramCredentials;

impl Handler for AlterUserScramCredentials {
    type Request<'a> = AlterUserScramCredentialsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: AlterUserScramCredentialsRequest<'a>,
    ) -> Reply<AlterUserScramCredentialsResponse<'a>> {
        let asked = sorted_out(&request.deletions, &request.upsertions);
        let users: Vec<String> = asked.keys().cloned().collect();
        let answers = match cx.change_records(move |image| decided(image, asked)).await {
            Ok(answers) => answers,
            Err(error) => {
                let error = ApiError::from(error);
                users.into_iter().map(|user| (user, Err(error.clone()))).collect()
            }
        };
        let results = answers.into_iter().map(|(user, answer)| {
            let (code, message) = match answer {
                Ok(()) => (ErrorCode::None, None),
                Err(error) => (error.code, Some(Cow::Owned(error.message))),
            };
            AlterUserScramCredentialsResult {
                user: Cow::Owned(user),
                error_code: code.code(),
                error_message: message,
            }
        });
        Reply::Answer(AlterUserScramCredentialsResponse {
            results: results.collect(),
            ..AlterUserScramCredentialsResponse::default()
        })
    }
}

/// What is to happen to one user's credentials.
#[derive(Debug, PartialEq)]
enum Alteration {
    Delete(ScramMechanism),
    Put(ScramMechanism, ScramCredential),
}

/// One alteration per user: a user named twice gets none.
fn sorted_out(
    deletions: &[ScramCredentialDeletion<'_>],
    upsertions: &[ScramCredentialUpsertion<'_>],
) -> BTreeMap<String, Result<Alteration, ApiError>> {
    let deleted = deletions.iter().map(|deletion| {
        (deletion.name.to_string(), mechanism(&deletion.name, deletion.mechanism).map(Alteration::Delete))
    });
    let put = upsertions.iter().map(|upsertion| (upsertion.name.to_string(), checked(upsertion)));
    let mut sorted = BTreeMap::new();
    for (user, alteration) in deleted.chain(put) {
        let twice = || {
            ApiError::new(
                ErrorCode::DuplicateResource,
                "A user credential cannot be altered twice in the same request",
            )
        };
        let alteration = if sorted.contains_key(&user) { Err(twice()) } else { alteration };
        sorted.insert(user, alteration);
    }
    sorted
}

fn mechanism(user: &str, code: i8) -> Result<ScramMechanism, ApiError> {
    if user.is_empty() {
        return Err(ApiError::new(ErrorCode::UnacceptableCredential, "Username must not be empty"));
    }
    let unknown = || ApiError::new(ErrorCode::UnsupportedSaslMechanism, "Unknown SCRAM mechanism");
    ScramMechanism::from_code(code).ok_or_else(unknown)
}

fn checked(asked: &ScramCredentialUpsertion<'_>) -> Result<Alteration, ApiError> {
    let mechanism = mechanism(&asked.name, asked.mechanism)?;
    let unacceptable = |message| Err(ApiError::new(ErrorCode::UnacceptableCredential, message));
    match asked.iterations {
        few if few < *ITERATIONS.start() => return unacceptable("Too few iterations"),
        many if many > *ITERATIONS.end() => return unacceptable("Too many iterations"),
        _ => {}
    }
    let (stored_key, server_key) = keys(mechanism, &asked.salted_password);
    let (salt, iterations) = (asked.salt.to_vec(), asked.iterations);
    Ok(Alteration::Put(mechanism, ScramCredential { salt, stored_key, server_key, iterations }))
}

/// What is told of a user's alteration.
type Answer = (String, Result<(), ApiError>);

/// The records of what is possible, and an answer for each user.
fn decided(
    image: &Image,
    asked: BTreeMap<String, Result<Alteration, ApiError>>,
) -> (Vec<Record>, Vec<Answer>) {
    let mut records = Vec::new();
    let mut answers = Vec::with_capacity(asked.len());
    for (user, alteration) in asked {
        let answer = alteration.and_then(|alteration| match alteration {
            Alteration::Delete(mechanism) if !image.scram().contains_key(&(user.clone(), mechanism)) => {
                let message = "Attempt to delete a user credential that does not exist";
                Err(ApiError::new(ErrorCode::ResourceNotFound, message))
            }
            Alteration::Delete(mechanism) => {
                records.push(Record::RemoveScram { user: user.clone(), mechanism });
                Ok(())
            }
            Alteration::Put(mechanism, credential) => {
                records.push(Record::Scram { user: user.clone(), mechanism, credential });
                Ok(())
            }
        });
        answers.push((user, answer));
    }
    (records, answers)
}

/// RFC 5802's StoredKey and ServerKey of a salted password.
fn keys(mechanism: ScramMechanism, salted_password: &[u8]) -> (Vec<u8>, Vec<u8>) {
    const CLIENT: &[u8] = b"Client Key";
    const SERVER: &[u8] = b"Server Key";
    const ANY_LENGTH: &str = "HMAC takes keys of any length";
    macro_rules! keys_with {
        ($Hash:ty) => {{
            let keyed = |text: &[u8]| {
                let mac = Hmac::<$Hash>::new_from_slice(salted_password).expect(ANY_LENGTH);
                mac.chain_update(text).finalize().into_bytes()
            };
            (<$Hash>::digest(keyed(CLIENT)).to_vec(), keyed(SERVER).to_vec())
        }};
    }
    match mechanism {
        ScramMechanism::Sha256 => keys_with!(Sha256),
        ScramMechanism::Sha512 => keys_with!(Sha512),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upsertion(name: &'static str, mechanism: i8, iterations: i32) -> ScramCredentialUpsertion<'static> {
        ScramCredentialUpsertion {
            name: name.into(),
            mechanism,
            iterations,
            salt: Cow::Borrowed(b"salt"),
            salted_password: Cow::Borrowed(b"salted"),
        }
    }

    fn deletion(name: &'static str, mechanism: i8) -> ScramCredentialDeletion<'static> {
        ScramCredentialDeletion { name: name.into(), mechanism }
    }

    #[test]
    fn wrong_alterations_have_kafkas_codes() {
        for (upsertion, code) in [
            (upsertion("", 1, 4096), ErrorCode::UnacceptableCredential),
            (upsertion("ann", 0, 4096), ErrorCode::UnsupportedSaslMechanism),
            (upsertion("ann", 1, 4095), ErrorCode::UnacceptableCredential),
            (upsertion("ann", 2, 16385), ErrorCode::UnacceptableCredential),
        ] {
            assert_eq!(checked(&upsertion).unwrap_err().code, code, "{upsertion:?}");
        }
        let (_, answers) = decided(&Image::default(), sorted_out(&[deletion("ann", 1)], &[]));
        assert_eq!(answers[0].1.as_ref().unwrap_err().code, ErrorCode::ResourceNotFound);
    }

    #[test]
    fn a_user_named_twice_is_not_altered() {
        let asked =
            sorted_out(&[deletion("ann", 1)], &[upsertion("ann", 1, 4096), upsertion("bob", 1, 4096)]);
        let (records, answers) = decided(&Image::default(), asked);
        assert_eq!(answers[0].1.as_ref().unwrap_err().code, ErrorCode::DuplicateResource);
        assert!(
            answers[1].1.is_ok() && matches!(&records[..], [Record::Scram { user, .. }] if user == "bob")
        );
    }

    /// The password, salt and iterations of RFC 7677, section 3. The server key, worked out with another
    /// implementation, gives that section's server signature.
    #[test]
    fn keys_are_those_of_the_standard() {
        let (stored, server) = keys(ScramMechanism::Sha256, &SALTED);
        assert_eq!(hex(&stored), STORED);
        assert_eq!(hex(&server), SERVER);
        assert_eq!(keys(ScramMechanism::Sha512, &SALTED).0.len(), 64);
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    const SALTED: [u8; 32] = [
        0xc4, 0xa4, 0x95, 0x10, 0x32, 0x3a, 0xb4, 0xf9, 0x52, 0xca, 0xc1, 0xfa, 0x99, 0x44, 0x19, 0x39, 0xe7,
        0x8e, 0xa7, 0x4d, 0x6b, 0xe8, 0x1d, 0xdf, 0x70, 0x96, 0xe8, 0x75, 0x13, 0xdc, 0x61, 0x5d,
    ];
    const STORED: &str = "586e5df283e6dceb5c3e791d8b8528ec191e664045ce971792e2e6b5bb13e2a6";
    const SERVER: &str = "c1f3cbc1c13a9d35a14c0990eed97629ea225863e566a4314ab99f3f00e5d9d5";
}
