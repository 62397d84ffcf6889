/** The types of the views, as Rust writes them. */
export type { Action } from './generated/Action';
export type { Counts } from './generated/Counts';
export type { DownloadDetails } from './generated/DownloadDetails';
export type { DownloadRow } from './generated/DownloadRow';
export type { FailureView } from './generated/FailureView';
export type { Filter } from './generated/Filter';
export type { HistoryPoint } from './generated/HistoryPoint';
export type { LogLine } from './generated/LogLine';
export type { NewDownload } from './generated/NewDownload';
export type { Query } from './generated/Query';
export type { RowState } from './generated/RowState';
export type { SourceKind } from './generated/SourceKind';
export type { SourceRow } from './generated/SourceRow';
export type { VerificationView } from './generated/VerificationView';
export type { View } from './generated/View';
export type { Welcome } from './generated/Welcome';
