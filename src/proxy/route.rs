//! Route information preprocessing (RFC 3261 §16.4): our own Route values are set aside, and the flow token of the last one says where the
//! request goes from here.

use crate::flow::mac::Key;
use crate::flow::token::{FlowToken, TokenError};
use crate::proxy::identity::Identity;
use crate::proxy::refusal::Refusal;
use crate::sip::essentials::addresses;
use crate::sip::flaw::Flaw;
use crate::sip::header_id::HeaderId;
use crate::sip::malformed::Malformed;
use crate::sip::message::Message;
use crate::sip::octet;
use crate::sip::uri::Uri;

/// What a request's Route values mean here.
#[derive(Clone, Copy, Debug)]
pub struct RoutePlan<'a> {
    /// Values at the front that name this node; they are removed.
    pub own_count: usize,
    /// Values that remain behind them, the one that becomes the Request-URI not counted.
    pub rest_count: usize,
    /// The token of the last own value; `None` when it has none.
    pub token: Option<FlowToken>,
    /// The first value that remains.
    pub next: Option<Uri<'a>>,
    /// The Request-URI to work with.
    pub request_uri: Uri<'a>,
    /// A strict router put our own URI into the Request-URI: the last Route value takes its place, and is removed.
    pub is_uri_from_route: bool,
}

/// Why a request can not be routed by what its Route values say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteError {
    Malformed(Malformed),
    Refused(Refusal),
}

/// The keys and names that the plan is made with.
#[derive(Clone, Copy)]
pub struct RouteContext<'a> {
    pub identity: &'a Identity,
    pub token_key: Key,
    pub epoch: u32,
}

/// Reads the Routes of a request. `request_uri` is its Request-URI as it arrived.
///
/// # Errors
/// A Route that does not parse; a token that is forged (403) or whose connection belongs to an earlier start (430).
#[inline]
pub fn plan_route<'a>(
    message: &Message<'a>,
    request_uri: Uri<'a>,
    context: &RouteContext<'_>,
) -> Result<RoutePlan<'a>, RouteError> {
    let mut plan = RoutePlan {
        own_count: 0,
        rest_count: 0,
        token: None,
        next: None,
        request_uri,
        is_uri_from_route: false,
    };
    if message.first(HeaderId::Route).is_none() {
        return Ok(plan);
    }
    // The first paragraph of §16.4: only a strict router would send us our own Record-Route value as the Request-URI.
    let is_own = context.identity.is_own(&request_uri);
    let uri_token = if is_own { read_token(&request_uri, context)? } else { Token::None };
    let mut token = uri_token;
    let mut last = None;
    for address in addresses(message, HeaderId::Route) {
        let address = address.map_err(RouteError::Malformed)?;
        let bad = |flaw: Flaw| {
            let offset = octet::offset_in(message.bytes(), address.uri) as u16 + flaw.offset;
            RouteError::Malformed(Malformed::Bad { header: HeaderId::Route, offset })
        };
        let uri = address.parse_uri().map_err(bad)?;
        if plan.rest_count == 0 && context.identity.is_own(&uri) {
            plan.own_count += 1;
            token = read_token(&uri, context)?;
        } else {
            plan.rest_count += 1;
            plan.next.get_or_insert(uri);
            last = Some(uri);
        }
    }
    if uri_token != Token::None
        && let Some(last) = last
    {
        plan.request_uri = last;
        plan.is_uri_from_route = true;
        plan.rest_count -= 1;
        if plan.rest_count == 0 {
            plan.next = None;
        }
    } else if plan.own_count == 0 {
        token = Token::None;
    }
    plan.token = match token {
        Token::None => None,
        Token::Live(token) => Some(token),
        Token::Dead => return Err(RouteError::Refused(Refusal::FlowFailed)),
    };
    Ok(plan)
}

/// What the user part of one of our URIs is. That a flow is dead is only said of the one that the request is to go by: the sender's own side
/// may have come by a connection of an earlier start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token {
    None,
    Live(FlowToken),
    Dead,
}

fn read_token(uri: &Uri<'_>, context: &RouteContext<'_>) -> Result<Token, RouteError> {
    let Some(user) = uri.user else { return Ok(Token::None) };
    match FlowToken::parse(user, context.token_key, context.epoch) {
        Ok(token) => Ok(Token::Live(token)),
        Err(TokenError::NotAToken) => Ok(Token::None),
        Err(TokenError::Forged) => Err(RouteError::Refused(Refusal::ForgedToken)),
        Err(TokenError::OtherEpoch) => Ok(Token::Dead),
    }
}
