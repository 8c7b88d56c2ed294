<?php
// An export from its creation to its file, and three answers that are none, with the generated client `ExportGateway`.

// Guzzle of Debian's package php-guzzlehttp-guzzle, and the client. With Composer, vendor/autoload.php loads both.
require 'GuzzleHttp/autoload.php';
spl_autoload_register(function (string $class): void {
    $path = str_replace(['ExportGateway\\', '\\'], ['', '/'], $class);
    if (str_starts_with($class, 'ExportGateway\\')) {
        require getenv('EXPORT_GATEWAY_CLIENT') . "/lib/$path.php";
    }
});

use ExportGateway\Api\ExportsApi;
use ExportGateway\ApiException;
use ExportGateway\Configuration;
use ExportGateway\Model\CreateExportRequest;
use ExportGateway\Model\PowerBIOptions;
use ExportGateway\Model\Problem;

const GROUP = 'f089354e-8366-4e18-aea3-4cb4a3a50b48';
const REPORT = 'c0ffee00-2222-4333-8444-555566667777';
const NOBODY = '01981f3e-7c1a-7b52-9d3e-0242ac120002';

function client(string $address, string $key): ExportsApi
{
    $configuration = (new Configuration())->setHost($address)->setAccessToken($key);
    return new ExportsApi(new GuzzleHttp\Client(), $configuration);
}

// Whether the export is in the list, whose end is where `next_cursor` is missing.
function listed(ExportsApi $exports, string $id): bool
{
    $cursor = null;
    do {
        $page = $exports->listExports(provider: 'power-bi', limit: 20, cursor: $cursor);
        foreach ($page->getValue() as $export) {
            if ($export->getId() === $id) {
                return true;
            }
        }
        $cursor = $page->getNextCursor();
    } while ($cursor !== null);
    return false;
}

// The SHA-256 that a download has to have: from its head where it was known then, else from the gateway's record of it.
function expected(ExportsApi $exports, string $id, array $headers): array
{
    if (isset($headers['Unencoded-Digest'])) {
        preg_match('/^sha-256=:(.*):$/', $headers['Unencoded-Digest'][0], $parts);
        return ['header field', bin2hex(base64_decode($parts[1]))];
    }
    while (true) {
        $delivery = $exports->listExportDeliveries($id, $headers['X-Request-Id'][0])->getValue()[0];
        if ($delivery->getOutcome() === 'whole') {
            return ['delivery', $delivery->getSha256()];
        }
        if ($delivery->getOutcome() !== 'underWay') {
            throw new Exception("the download ended as {$delivery->getOutcome()}");
        }
        usleep(100_000);
    }
}

// The path of a download, whose bytes are those that the gateway sent.
function checked(ExportsApi $exports, string $id, array $answer): string
{
    [$file, , $headers] = $answer;
    [$source, $wanted] = expected($exports, $id, $headers);
    $found = hash_file('sha256', $file->getPathname());
    if ($found !== $wanted) {
        throw new Exception("the file has the SHA-256 $found, not $wanted");
    }
    echo "downloaded, checked by $source: $found\n";
    return $file->getPathname();
}

// The problem document that a call ends with.
function problem(callable $call): Problem
{
    try {
        $call();
    } catch (ApiException $failure) {
        return $failure->getResponseObject();
    }
    throw new Exception('it did not fail');
}

[, $address, $path] = $argv;
$exports = client($address, getenv('EXPORT_GATEWAY_KEY'));
$report = new PowerBIOptions(['group_id' => GROUP, 'report_id' => REPORT, 'format' => 'CSV']);
$request = new CreateExportRequest(['provider' => 'power-bi', 'name' => 'Quarterly ledger', 'power_bi' => $report]);
$export = $exports->createExport($request, bin2hex(random_bytes(16)));
$id = $export->getId();
echo "created: $id\n";
while ($export->getCompletedAt() === null) {
    // The answer is held back until something changes.
    $export = $exports->getExport($id, 'wait=30');
}
echo "ended {$export->getStatus()}\n";
if (!listed($exports, $id)) {
    throw new Exception('it is not in the list');
}
echo "listed: $id\n";
$content = checked($exports, $id, $exports->downloadExportFileWithHttpInfo($id, $export->getFiles()[0]->getId()));
rename($content, $path);
unlink(checked($exports, $id, $exports->downloadExportContentWithHttpInfo($id)));

$missing = problem(fn () => $exports->getExport(NOBODY));
echo "{$missing->getStatus()} {$missing->getCode()}: {$missing->getRequestId()}\n";
$refused = problem(fn () => client($address, 'another key')->getExport($id));
echo "{$refused->getStatus()} {$refused->getCode()}: {$refused->getRequestId()}\n";
[, , $headers] = $exports->getExportWithHttpInfo($id);
try {
    $exports->getExport($id, if_none_match: $headers['ETag'][0]);
} catch (ApiException $unchanged) {
    echo $unchanged->getCode(), "\n";
}
