use lib '@PLUGIN@';
use Plack::Builder;
use Lemonldap::NG::Portal;

my $portal = Lemonldap::NG::Portal->run( {} );
builder {
    enable 'Static', path => qr{^/static/}, root => '/usr/share/lemonldap-ng/portal/htdocs';
    $portal;
};
