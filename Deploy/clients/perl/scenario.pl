# An export from its creation to its file, and three answers that are none, with the generated client `ExportGateway`.
use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use JSON qw(decode_json);
use MIME::Base64 qw(decode_base64);
use Time::HiRes qw(sleep);

use ExportGateway::ExportsApi;
use ExportGateway::Object::CreateExportRequest;
use ExportGateway::Object::PowerBIOptions;
use ExportGateway::Object::Problem;

my $GROUP = 'f089354e-8366-4e18-aea3-4cb4a3a50b48';
my $REPORT = 'c0ffee00-2222-4333-8444-555566667777';
my $NOBODY = '01981f3e-7c1a-7b52-9d3e-0242ac120002';

my ($address, $file) = @ARGV;
# The last answer, which the client's functions leave out: its header fields are needed, and its body where they die.
my $answer;

sub client {
    my ($key) = @_;
    my $exports = ExportGateway::ExportsApi->new(base_url => $address, access_token => $key);
    $exports->{api_client}{ua}->add_handler(response_done => sub { $answer = shift; return });
    return $exports;
}

# Whether the export is in the list, whose end is where `next_cursor` is missing.
sub listed {
    my ($exports, $id) = @_;
    my %more;
    while (1) {
        my $page = $exports->list_exports(provider => 'power-bi', limit => 20, %more);
        return 1 if grep { $_->id eq $id } @{ $page->value };
        return 0 unless defined $page->next_cursor;
        %more = (cursor => $page->next_cursor);
    }
}

# The SHA-256 that a download has to have: from its head where it was known then, else from the gateway's record of it.
sub expected {
    my ($exports, $id, $downloaded) = @_;
    if (my $digest = $downloaded->header('Unencoded-Digest')) {
        my ($text) = $digest =~ /^sha-256=:(.*):$/;
        return ('header field', unpack 'H*', decode_base64($text));
    }
    my $request = $downloaded->header('X-Request-Id');
    while (1) {
        my $delivery = $exports->list_export_deliveries(id => $id, request_id => $request)->value->[0];
        if ($delivery->outcome ne 'underWay') {
            die 'the download ended as ' . $delivery->outcome unless $delivery->outcome eq 'whole';
            return ('delivery', $delivery->sha256);
        }
        sleep 0.1;
    }
}

# The bytes of a download, which are those that the gateway sent.
sub checked {
    my ($exports, $id, $content) = @_;
    my ($source, $wanted) = expected($exports, $id, $answer);
    my $found = sha256_hex($content);
    die "the file has the SHA-256 $found, not $wanted" if $found ne $wanted;
    print "downloaded, checked by $source: $found\n";
    return $content;
}

# The problem document that a call ends with: the client dies with the body in its message, and leaves the parsing to us.
sub problem {
    my ($call) = @_;
    die 'it did not fail' if eval { $call->(); 1 };
    return ExportGateway::Object::Problem->new->from_hash(decode_json($answer->content));
}

my $exports = client($ENV{EXPORT_GATEWAY_KEY});
# The constructors take the names of the document, not those of the accessors, and drop all others without a word.
my $report = ExportGateway::Object::PowerBIOptions->new(groupId => $GROUP, reportId => $REPORT, format => 'CSV');
my $request = ExportGateway::Object::CreateExportRequest->new(
    provider => 'power-bi',
    name => 'Quarterly ledger',
    powerBI => $report,
);
my $export = $exports->create_export(create_export_request => $request, idempotency_key => "ledger-$$-" . time);
print 'created: ', $export->id, "\n";
# The answer is held back until something changes.
$export = $exports->get_export(id => $export->id, prefer => 'wait=30') until defined $export->completed_at;
my $id = $export->id;
print 'ended ', $export->status, "\n";
die 'it is not in the list' unless listed($exports, $id);
print "listed: $id\n";
my $content = checked($exports, $id, $exports->download_export_file(id => $id, file_id => $export->files->[0]->id));
open my $output, '>:raw', $file or die "$file: $!";
print $output $content;
close $output or die "$file: $!";
checked($exports, $id, $exports->download_export_content(id => $id));

my $missing = problem(sub { $exports->get_export(id => $NOBODY) });
print $missing->status, ' ', $missing->code, ': ', $missing->request_id, "\n";
my $refused = problem(sub { client('another key')->get_export(id => $id) });
print $refused->status, ' ', $refused->code, ': ', $refused->request_id, "\n";
$exports->get_export(id => $id);
my $etag = $answer->header('ETag');
die 'it changed' if eval { $exports->get_export(id => $id, if_none_match => $etag); 1 };
print $answer->code, "\n";
