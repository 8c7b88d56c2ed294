# ./Export-Report.ps1 -Gateway https://exports.contoso.com -Path ledger.csv: an export as a file, whose digest is checked.
# PowerShell 7. The caller's key is in EXPORT_GATEWAY_KEY.
param(
    [Parameter(Mandatory)] [string] $Gateway,
    [Parameter(Mandatory)] [string] $Path
)
$ErrorActionPreference = 'Stop'
$headers = @{ Authorization = "Bearer $env:EXPORT_GATEWAY_KEY" }
$request = @{
    provider = 'power-bi'
    powerBI = @{
        groupId = 'f089354e-8366-4e18-aea3-4cb4a3a50b48'
        reportId = 'c0ffee00-2222-4333-8444-555566667777'
        format = 'CSV'
    }
}

try {
    $key = @{ 'Idempotency-Key' = [guid]::NewGuid().ToString() }
    $export = Invoke-RestMethod -Method Post "$Gateway/exports" -Headers ($headers + $key) -ContentType 'application/json' `
        -Body ($request | ConvertTo-Json -Depth 5)
    $address = "$Gateway/exports/$($export.id)"
    while (-not $export.completedAt) {
        # The answer is held back until something changes.
        $export = Invoke-RestMethod $address -Headers ($headers + @{ Prefer = 'wait=30' })
    }
    if ($export.status -ne 'succeeded') { throw "$($export.status): $($export.error.code), $($export.error.detail)" }

    $answer = Invoke-WebRequest "$address/content" -Headers $headers -OutFile $Path -PassThru
    $deliveries = "$address/deliveries?requestId=$($answer.Headers['X-Request-Id'][0])"
    do {
        Start-Sleep -Seconds 1
        $delivery = (Invoke-RestMethod $deliveries -Headers $headers).value[0]
    } while ($delivery.outcome -eq 'underWay')
    if ($delivery.sha256 -ne (Get-FileHash $Path -Algorithm SHA256).Hash) { throw "not the whole file: $($delivery.outcome)" }
}
catch [Microsoft.PowerShell.Commands.HttpResponseException] {
    # The body of a refusal is a problem document.
    $problem = $_.ErrorDetails.Message | ConvertFrom-Json
    throw "$($problem.status) $($problem.code), request $($problem.requestId): $($problem.detail)"
}
