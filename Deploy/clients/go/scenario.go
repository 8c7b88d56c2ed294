// An export from its creation to its file, and three answers that are none, with the generated client exportgateway.
package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	gateway "github.com/example/exportgateway"
)

const group = "f089354e-8366-4e18-aea3-4cb4a3a50b48"
const report = "c0ffee00-2222-4333-8444-555566667777"
const nobody = "01981f3e-7c1a-7b52-9d3e-0242ac120002"

var exports *gateway.ExportsAPIService

func caller(key string) context.Context {
	return context.WithValue(context.Background(), gateway.ContextAccessToken, key)
}

func must[T any](value T, answer *http.Response, err error) T {
	if err != nil && answer != nil {
		panic(answer.Status + ": " + err.Error())
	} else if err != nil {
		panic(err)
	}
	return value
}

// listed tells whether the export is in the list, whose end is where nextCursor is missing.
func listed(as context.Context, id string) bool {
	request := exports.ListExports(as).Provider("power-bi").Limit(20)
	for {
		page := must(request.Execute())
		for _, export := range page.Value {
			if export.Id == id {
				return true
			}
		}
		if page.NextCursor == nil {
			return false
		}
		request = request.Cursor(*page.NextCursor)
	}
}

// expected is the SHA-256 that a download has to have: from its head where it was known then, else from the gateway's record of it.
func expected(as context.Context, id string, head http.Header) (string, string) {
	if digest := head.Get("Unencoded-Digest"); digest != "" {
		text := strings.TrimSuffix(strings.TrimPrefix(digest, "sha-256=:"), ":")
		return "header field", hex.EncodeToString(must2(base64.StdEncoding.DecodeString(text)))
	}
	for {
		page := must(exports.ListExportDeliveries(as, id).RequestId(head.Get("X-Request-Id")).Execute())
		if delivery := page.Value[0]; delivery.Outcome == "whole" {
			return "delivery", *delivery.Sha256
		} else if delivery.Outcome != "underWay" {
			panic("the download ended as " + delivery.Outcome)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// checked reads the temporary file of a download, whose bytes are those that the gateway sent, and removes it.
func checked(as context.Context, id string, file *os.File, answer *http.Response, err error) []byte {
	if err != nil {
		panic(err)
	}
	defer os.Remove(file.Name())
	content := must2(io.ReadAll(file))
	source, wanted := expected(as, id, answer.Header)
	digest := sha256.Sum256(content)
	if found := hex.EncodeToString(digest[:]); found != wanted {
		panic("the file has the SHA-256 " + found + ", not " + wanted)
	}
	fmt.Printf("downloaded, checked by %s: %s\n", source, wanted)
	return content
}

func must2[T any](value T, err error) T {
	return must(value, nil, err)
}

// problem is the problem document that a call ended with.
func problem(err error) gateway.Problem {
	var failure *gateway.GenericOpenAPIError
	if !errors.As(err, &failure) {
		panic("it did not fail with an answer")
	}
	return failure.Model().(gateway.Problem)
}

func main() {
	configuration := gateway.NewConfiguration()
	configuration.Servers = gateway.ServerConfigurations{{URL: os.Args[1]}}
	exports = gateway.NewAPIClient(configuration).ExportsAPI
	as := caller(os.Getenv("EXPORT_GATEWAY_KEY"))

	options := gateway.NewPowerBIOptions(report, "CSV")
	options.SetGroupId(group)
	request := gateway.NewCreateExportRequest("power-bi")
	request.SetName("Quarterly ledger")
	request.SetPowerBI(*options)
	key := make([]byte, 16)
	must2(rand.Read(key))
	export := must(exports.CreateExport(as).CreateExportRequest(*request).IdempotencyKey(hex.EncodeToString(key)).Execute())
	fmt.Println("created:", export.Id)
	for export.CompletedAt == nil {
		// The answer is held back until something changes.
		export = must(exports.GetExport(as, export.Id).Prefer("wait=30").Execute())
	}
	fmt.Println("ended", export.Status)
	if !listed(as, export.Id) {
		panic("it is not in the list")
	}
	fmt.Println("listed:", export.Id)
	file, answer, err := exports.DownloadExportFile(as, export.Id, export.Files[0].Id).Execute()
	if err := os.WriteFile(os.Args[2], checked(as, export.Id, file, answer, err), 0o600); err != nil {
		panic(err)
	}
	file, answer, err = exports.DownloadExportContent(as, export.Id).Execute()
	checked(as, export.Id, file, answer, err)

	_, _, err = exports.GetExport(as, nobody).Execute()
	missing := problem(err)
	fmt.Printf("%d %s: %s\n", missing.Status, missing.Code, missing.RequestId)
	_, _, err = exports.GetExport(caller("another key"), export.Id).Execute()
	refused := problem(err)
	fmt.Printf("%d %s: %s\n", refused.Status, refused.Code, refused.RequestId)
	_, answer, err = exports.GetExport(as, export.Id).Execute()
	must(0, answer, err)
	_, answer, err = exports.GetExport(as, export.Id).IfNoneMatch(answer.Header.Get("ETag")).Execute()
	if err == nil {
		panic("it changed")
	}
	fmt.Println(answer.StatusCode)
}
