// An export from its creation to its file, and three answers that are none, with the generated client in `./client`.
import { ApiResponse, Configuration, ExportsApi, Problem, ProblemFromJSON, ResponseError } from './client';

// Of Node; its own declarations are no package of the compiler's.
declare const process: { argv: string[]; env: Record<string, string | undefined>; exitCode: number };
declare const require: (name: string) => any;
const { createHash, randomUUID } = require('crypto');
const { writeFileSync } = require('fs');

const group = 'f089354e-8366-4e18-aea3-4cb4a3a50b48';
const report = 'c0ffee00-2222-4333-8444-555566667777';

function client(address: string, key: string): ExportsApi {
    return new ExportsApi(new Configuration({ basePath: address, accessToken: key }));
}

/** Whether the export is in the list, whose end is where `nextCursor` is missing. */
async function listed(exports: ExportsApi, id: string): Promise<boolean> {
    let cursor: string | undefined;
    do {
        const page = await exports.listExports({ provider: 'power-bi', limit: 20, cursor });
        if (page.value.some((found) => found.id === id)) return true;
        cursor = page.nextCursor;
    } while (cursor !== undefined);
    return false;
}

/** The SHA-256 that a download has to have: from its head where it was known then, else from the gateway's record of it. */
async function expected(exports: ExportsApi, id: string, head: Headers): Promise<[string, string]> {
    const digest = head.get('Unencoded-Digest');
    if (digest !== null) {
        const bytes = Uint8Array.from(atob(digest.slice('sha-256=:'.length, -1)), (letter) => letter.charCodeAt(0));
        return ['header field', Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')];
    }
    for (;;) {
        const requestId = head.get('X-Request-Id') ?? undefined;
        const [delivery] = (await exports.listExportDeliveries({ id, requestId })).value;
        if (delivery.outcome === 'whole') return ['delivery', delivery.sha256!];
        if (delivery.outcome !== 'underWay') throw new Error(`the download ended as ${delivery.outcome}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
}

/** The bytes of a download, which are those that the gateway sent. */
async function checked(exports: ExportsApi, id: string, answer: ApiResponse<Blob>): Promise<Uint8Array> {
    const content = new Uint8Array(await (await answer.value()).arrayBuffer());
    const [source, wanted] = await expected(exports, id, answer.raw.headers);
    const found = createHash('sha256').update(content).digest('hex');
    if (found !== wanted) throw new Error(`the file has the SHA-256 ${found}, not ${wanted}`);
    console.log(`downloaded, checked by ${source}: ${found}`);
    return content;
}

/** The answer that a call ends with; its body is not read yet. */
async function failure(call: Promise<unknown>): Promise<Response> {
    try {
        await call;
    } catch (error) {
        if (error instanceof ResponseError) return error.response;
        throw error;
    }
    throw new Error('it did not fail');
}

async function problem(call: Promise<unknown>): Promise<Problem> {
    return ProblemFromJSON(await (await failure(call)).json());
}

async function main(address: string, file: string): Promise<void> {
    const exports = client(address, process.env.EXPORT_GATEWAY_KEY!);
    let found = await exports.createExport({
        createExportRequest: {
            provider: 'power-bi',
            name: 'Quarterly ledger',
            powerBI: { groupId: group, reportId: report, format: 'CSV' },
        },
        idempotencyKey: randomUUID(),
    });
    const id = found.id;
    console.log(`created: ${id}`);
    // The answer is held back until something changes.
    while (found.completedAt === undefined) found = await exports.getExport({ id, prefer: 'wait=30' });
    console.log(`ended ${found.status}`);
    if (!(await listed(exports, id))) throw new Error('it is not in the list');
    console.log(`listed: ${id}`);
    const content = await checked(exports, id, await exports.downloadExportFileRaw({ id, fileId: found.files[0].id }));
    writeFileSync(file, content);
    await checked(exports, id, await exports.downloadExportContentRaw({ id }));

    const missing = await problem(exports.getExport({ id: randomUUID() }));
    console.log(`${missing.status} ${missing.code}: ${missing.requestId}`);
    const refused = await problem(client(address, 'another key').getExport({ id }));
    console.log(`${refused.status} ${refused.code}: ${refused.requestId}`);
    const ifNoneMatch = (await exports.getExportRaw({ id })).raw.headers.get('ETag')!;
    console.log((await failure(exports.getExport({ id, ifNoneMatch }))).status);
}

main(process.argv[2], process.argv[3]).catch((error) => {
    console.error(error);
    process.exitCode = 1;
});
