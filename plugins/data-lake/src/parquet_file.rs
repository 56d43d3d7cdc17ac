//! Rows as a file of Parquet: one row group, the same bytes for the same rows.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

use crate::columns::{COLUMNS, Column, Get};
use crate::row::Row;

/// The bytes of the file.
///
/// # Errors
///
/// Those of the encoder.
pub(crate) fn encode(rows: &[Row]) -> Result<Vec<u8>, ParquetError> {
    let columns = COLUMNS.iter().map(declare).collect::<String>();
    let schema = Arc::new(parse_message_type(&format!("message event {{ {columns} }}"))?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let mut group = file.next_row_group()?;
    for column in &COLUMNS {
        let Some(writer) = group.next_column()? else { break };
        match column.get {
            Get::Number(get) => put::<Int64Type>(writer, &rows.iter().map(get).collect::<Vec<_>>(), None)?,
            Get::Text(get) => optional::<ByteArrayType>(writer, rows.iter().map(|row| get(row).map(ByteArray::from)))?,
            Get::Time(get) => optional::<Int64Type>(writer, rows.iter().map(get))?,
        }
    }
    group.close()?;
    file.into_inner()
}

fn declare(column: &Column) -> String {
    let name = column.name;
    match column.get {
        Get::Number(_) => format!("required int64 {name};"),
        Get::Text(_) => format!("optional binary {name} (STRING);"),
        Get::Time(_) => format!("optional int64 {name} (TIMESTAMP(MILLIS,true));"),
    }
}

fn optional<T: DataType>(
    writer: SerializedColumnWriter<'_>,
    cells: impl Iterator<Item = Option<T::T>>,
) -> Result<(), ParquetError> {
    let cells = cells.collect::<Vec<_>>();
    let levels = cells.iter().map(|cell| i16::from(cell.is_some())).collect::<Vec<_>>();
    put::<T>(writer, &cells.into_iter().flatten().collect::<Vec<_>>(), Some(&levels))
}

fn put<T: DataType>(
    mut writer: SerializedColumnWriter<'_>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    writer.typed::<T>().write_batch(values, levels, None)?;
    writer.close()
}
