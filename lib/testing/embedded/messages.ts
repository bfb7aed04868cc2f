/** 64-bit integers arrive as decimal strings and may be sent as numbers or strings. */
export type Int64 = string;
export type Int64Out = string | number;

export interface RequestSize {
  readonly wireSize?: number;
}

export interface Header {
  readonly clusterId?: Int64Out;
  readonly memberId?: Int64Out;
  readonly revision: Int64Out;
  readonly raftTerm?: Int64Out;
}

export interface WireKeyValue {
  readonly key: Buffer;
  readonly value?: Buffer;
  readonly createRevision?: Int64Out;
  readonly modRevision?: Int64Out;
  readonly version?: Int64Out;
  readonly lease?: Int64Out;
}

export interface RangeRequest {
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
  readonly limit: Int64;
  readonly revision: Int64;
  /** 0 none, 1 ascending, 2 descending. */
  readonly sortOrder: number;
  /** 0 key, 1 version, 2 create revision, 3 mod revision, 4 value. */
  readonly sortTarget: number;
  readonly keysOnly: boolean;
  readonly countOnly: boolean;
  readonly minModRevision: Int64;
  readonly maxModRevision: Int64;
  readonly minCreateRevision: Int64;
  readonly maxCreateRevision: Int64;
}

export interface RangeResponse {
  readonly header: Header;
  readonly kvs: readonly WireKeyValue[];
  readonly more: boolean;
  readonly count: Int64Out;
}

export interface PutRequest {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly lease: Int64;
  readonly prevKv: boolean;
  readonly ignoreValue: boolean;
  readonly ignoreLease: boolean;
}

export interface PutResponse {
  readonly header: Header;
  readonly prevKv?: WireKeyValue;
}

export interface DeleteRangeRequest {
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
  readonly prevKv: boolean;
}

export interface DeleteRangeResponse {
  readonly header: Header;
  readonly deleted: Int64Out;
  readonly prevKvs: readonly WireKeyValue[];
}

/** At most one field is set. */
export interface RequestOp {
  readonly requestRange?: RangeRequest | null;
  readonly requestPut?: PutRequest | null;
  readonly requestDeleteRange?: DeleteRangeRequest | null;
  readonly requestTxn?: TxnRequest | null;
}

export interface ResponseOp {
  readonly responseRange?: RangeResponse;
  readonly responsePut?: PutResponse;
  readonly responseDeleteRange?: DeleteRangeResponse;
  readonly responseTxn?: TxnResponse;
}

export interface WireCompare {
  /** 0 equal, 1 greater, 2 less, 3 not equal. */
  readonly result: number;
  /** 0 version, 1 create revision, 2 mod revision, 3 value, 4 lease. */
  readonly target: number;
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
  readonly version?: Int64;
  readonly createRevision?: Int64;
  readonly modRevision?: Int64;
  readonly value?: Buffer;
  readonly lease?: Int64;
}

export interface TxnRequest {
  readonly compare: readonly WireCompare[];
  readonly success: readonly RequestOp[];
  readonly failure: readonly RequestOp[];
}

export interface TxnResponse {
  readonly header?: Header;
  readonly succeeded: boolean;
  readonly responses: readonly ResponseOp[];
}

export interface WireEvent {
  /** 0 put, 1 delete. */
  readonly type: number;
  readonly kv: WireKeyValue;
  readonly prevKv?: WireKeyValue;
}

export interface WatchCreateRequest {
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
  readonly startRevision: Int64;
  readonly progressNotify: boolean;
  /** 0 no puts, 1 no deletes. */
  readonly filters: readonly number[];
  readonly prevKv: boolean;
  readonly watchId: Int64;
  readonly fragment: boolean;
}

/** At most one field is set. */
export interface WatchRequest {
  readonly createRequest?: WatchCreateRequest | null;
  readonly cancelRequest?: { readonly watchId: Int64 } | null;
  readonly progressRequest?: object | null;
}

export interface WatchResponse {
  readonly header: Header;
  readonly watchId: Int64Out;
  readonly created?: boolean;
  readonly canceled?: boolean;
  readonly compactRevision?: Int64Out;
  readonly cancelReason?: string;
  readonly fragment?: boolean;
  readonly events?: readonly WireEvent[];
}
