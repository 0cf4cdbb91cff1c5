# PKCE (RFC 7636) for LemonLDAP::NG 2.16 as a relying party, which sends none by itself.
#
#   customPlugins = MatriculePkce          in [portal] of lemonldap-ng.ini, with this file's folder in Perl's path
#
# The verifier is not stored: it follows from the state, which the portal checks anyway, and from the portal's key.
package MatriculePkce;

use strict;
use warnings;
use Mouse;
use Digest::SHA qw(hmac_sha256 sha256);
use MIME::Base64 qw(encode_base64url);
use Lemonldap::NG::Portal::Main::Constants qw(PE_OK);

extends 'Lemonldap::NG::Portal::Main::Plugin';

use constant hook => {
    oidcGenerateAuthenticationRequest => 'addChallenge',
    oidcGenerateTokenRequest          => 'addVerifier',
};

sub init { return 1; }

sub verifier {
    my ( $self, $state ) = @_;
    return encode_base64url( hmac_sha256( "pkce|$state", $self->conf->{key} ) );
}

sub addChallenge {
    my ( $self, $req, $op, $params ) = @_;
    $params->{code_challenge}        = encode_base64url( sha256( $self->verifier( $params->{state} ) ) );
    $params->{code_challenge_method} = 'S256';
    return PE_OK;
}

sub addVerifier {
    my ( $self, $req, $op, $params ) = @_;
    if ( $params->{grant_type} eq 'authorization_code' ) {
        $params->{code_verifier} = $self->verifier( $req->param('state') );
    }
    return PE_OK;
}

1;
